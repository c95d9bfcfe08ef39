// A mount that is killed, and mounted again at once: its locks, which its session would keep for half a minute, are nobody's.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, test, type TestContext } from 'node:test'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { LineProgram } from './mount-process.ts'

const VOLUME = 'taken'
const onKernel = { skip: noMounts, timeout: 120_000 }
const LOCKS = fileURLToPath(new URL('./lock-program.py', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'shoal-takeover-'))
let node: NodeProcess

before(async () => {
  if (noMounts !== false) return
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  const client = connect(node.origin)
  await client.createVolume(VOLUME)
  await client.close()
})

after(async () => {
  if (noMounts !== false) return
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function mountAt(t: TestContext, flags: readonly string[] = [], volume = VOLUME): Promise<MountedNode> {
  const state = mkdtempSync(join(folder, 'state-'))
  const mounted = new MountedNode({ endpoint: node.origin, volume, state, flags })
  t.after(() => mounted.remove())
  await mounted.mount()
  return mounted
}

async function program(t: TestContext, { directory }: MountedNode): Promise<LineProgram> {
  const started = new LineProgram('python3', [LOCKS, directory])
  t.after(() => started.kill())
  assert.equal(await started.hear(), 'ready')
  return started
}

for (const mode of ['back', 'through']) {
  test(`what a mount that was killed had locked is free for the next one at that directory (${mode})`, onKernel, async (t) => {
    const far = await program(t, await mountAt(t))
    const mounted = await mountAt(t, ['--write-mode', mode, '--lock-lease', '5m'])
    const dead = await program(t, mounted)
    const file = `f-${mode}`
    assert.match(await dead.say(`posix ${file} ex`), /^(ok|waited)$/)
    assert.equal(await dead.say(`write ${file} before`), 'written')
    await mounted.kill()
    await dead.kill()
    assert.equal(await far.say(`tryposix ${file} ex`), 'EAGAIN')
    await mounted.mount()
    const next = await program(t, mounted)
    assert.equal(await next.say(`tryposix ${file} ex`), 'ok')
    assert.equal(await next.say(`posix ${file} un`), 'ok')
    assert.equal(await far.say(`tryposix ${file} ex`), 'ok')
    // It was neither closed nor synced.
    if (mode === 'back') assert.match(await far.say(`read ${file}`), /^(before)?$/)
  })
}

/** The first connection to a database makes what its WAL's readers share anew; others take it as it is. */
const COMMIT_TWO = `
import os, sqlite3
db = sqlite3.connect('kept.db', isolation_level=None)
db.execute('pragma journal_mode=wal'); db.execute('pragma synchronous=full')
db.execute('create table first(n)')
shared = os.open('kept.db-shm', os.O_RDWR); os.fsync(shared)
db.execute('create table second(n)')
db.execute('insert into second values (2)')
print('committed', flush=True)
input()
`

test(
  'what SQLite has committed with its WAL is there right after its mount was killed and mounted again',
  onKernel,
  async (t) => {
    const mounted = await mountAt(t)
    const writer = new LineProgram('python3', ['-c', `import os; os.chdir(${JSON.stringify(mounted.directory)})${COMMIT_TWO}`])
    t.after(() => writer.kill())
    assert.equal(await writer.hear(), 'committed')
    await mounted.kill()
    await writer.kill()
    await mounted.mount()
    const printed = await mounted.sh(`python3 - <<'END'
import sqlite3
db = sqlite3.connect('kept.db')
db.execute('insert into second values (3)'); db.commit()
print(db.execute('select group_concat(n) from second').fetchone()[0], db.execute('pragma integrity_check').fetchone()[0])
END`)
    assert.equal(printed, '2,3 ok\n')
    await mounted.unmount()
  },
)

for (const mode of ['back', 'through']) {
  test(
    `a mount whose volume was removed shows nothing of another one of its name, and writes nothing there (${mode})`,
    onKernel,
    async (t) => {
      const client = connect(node.origin)
      t.after(() => client.close())
      const volume = `twin-${mode}`
      await client.createVolume(volume)
      await client.writeSmallFile(volume, 'f', Buffer.from('of the first'))
      const mounted = await mountAt(t, ['--write-mode', mode], volume)
      assert.equal(await mounted.sh('cat f'), 'of the first')
      await client.deleteVolume(volume, { force: true })
      await client.createVolume(volume)
      await client.writeSmallFile(volume, 'f', Buffer.from('of the other'))
      // A name that was looked at may be known for a second.
      await nodeClock.sleep(1_500)
      await assert.rejects(mounted.sh('cat f'), /Stale file handle|No such file/)
      await mounted.sh('echo lost > g; echo lost >> f; sync . f g').catch(() => undefined)
      await nodeClock.sleep(500)
      const { entries } = await client.listPage(volume, '')
      assert.deepEqual(
        entries.map(({ path, size }) => [path, size]),
        [['f', 12]],
      )
    },
  )
}
