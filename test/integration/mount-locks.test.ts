// Locks of programs in two mounts of one volume of a real node.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, before, test, type TestContext } from 'node:test'
import { ShoalClient } from '../../src/client/shoal-client.ts'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { nodeRandom } from '../../src/platform/node-random.ts'
import { ACCESS_KEY, freePort, type NodeProcess, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'
import { LineProgram, mountProcess, type MountProcess } from './mount-process.ts'

const LEASE_MS = 2_000
/** A machine that is busy with something else needs luck for one that is not held up. */
const ROUNDS_MAX = 5
const onKernel = { skip: noMounts, timeout: 120_000 }
const PROGRAM = fileURLToPath(new URL('./lock-program.py', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'shoal-locks-'))
let node: NodeProcess
let mounts: readonly [MountProcess, MountProcess]

before(async () => {
  if (noMounts !== false) return
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  const client = new ShoalClient({
    endpoint: node.origin,
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
    clock: nodeClock,
    random: nodeRandom,
  })
  await client.createVolume('locks')
  await client.close()
  mounts = [await mount(), await mount()]
})

after(async () => {
  if (noMounts !== false) return
  await Promise.all(mounts.map((one) => one.clear()))
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

function mount(): Promise<MountProcess> {
  return mountProcess(node.origin, 'locks', ['--lock-lease', `${LEASE_MS}ms`])
}

async function programs(t: TestContext, ...where: readonly MountProcess[]): Promise<LineProgram[]> {
  const started = where.map(({ directory }) => new LineProgram('python3', [PROGRAM, directory]))
  t.after(() => Promise.all(started.map((program) => program.kill())))
  for (const program of started) assert.equal(await program.hear(), 'ready')
  return started
}

for (const kind of ['flock', 'posix', 'ofd'] as const) {
  test(`a lock (${kind}) keeps others out, on this machine and another, until it is given up`, onKernel, async (t) => {
    const [one, near, far] = (await programs(t, mounts[0], mounts[0], mounts[1])) as [LineProgram, LineProgram, LineProgram]
    const file = `f-${kind}`
    assert.equal(await one.say(`${kind} ${file} sh`), 'ok')
    assert.equal(await far.say(`try${kind} ${file} sh`), 'ok')
    assert.equal(await near.say(`try${kind} ${file} ex`), 'EAGAIN')
    const waiting = near.say(`${kind} ${file} ex`)
    await nodeClock.sleep(300)
    assert.equal(await one.say(`${kind} ${file} un`), 'ok')
    await far.say(kind === 'flock' ? `${kind} ${file} un` : `close ${file}`)
    assert.equal(await waiting, 'waited')
    assert.equal(await far.say(`try${kind} ${file} sh`), 'EAGAIN')
    const further = far.say(`${kind} ${file} sh`)
    await nodeClock.sleep(300)
    // Whoever dies gives up what it has.
    await near.kill()
    assert.equal(await further, 'waited')
  })
}

test('a wait is interrupted by a signal, and what is waited for goes to the next one', onKernel, async (t) => {
  const [one, other] = (await programs(t, mounts[0], mounts[1])) as [LineProgram, LineProgram]
  await one.say('posix g ex')
  await other.say('alarm 0.3')
  assert.equal(await other.say('posix g ex'), 'EINTR')
  assert.equal(await one.say('posix g un'), 'ok')
  assert.equal(await one.say('tryposix g ex'), 'ok')
})

test('ranges are locked apart, and asked for', onKernel, async (t) => {
  const [one, other] = (await programs(t, mounts[0], mounts[1])) as [LineProgram, LineProgram]
  await one.say('posix h ex 100 50')
  assert.equal(await other.say('tryposix h ex 0 100'), 'ok')
  assert.equal(await other.say('tryposix h ex 149 1'), 'EAGAIN')
  assert.equal(await other.say('ask h ex'), 'ex 100 50')
  assert.equal(await one.say('ask h ex'), 'ex 0 100')
  assert.equal(await one.say('posix h un 110 10'), 'ok')
  assert.equal(await other.say('tryposix h ex 110 10'), 'ok')
})

/** At once or later: what the one before has written may still be on its way when he has let go. */
async function granted(program: LineProgram, lock: string): Promise<void> {
  assert.match(await program.say(lock), /^(ok|waited)$/)
}

test('what is written under a lock is what the next one to lock it reads, who had read it before', onKernel, async (t) => {
  const [one, other] = (await programs(t, mounts[0], mounts[1])) as [LineProgram, LineProgram]
  for (let round = 0; round < 8; round += 1) {
    const [writer, reader] = round % 2 === 0 ? [one, other] : [other, one]
    await granted(writer, 'posix w ex')
    assert.equal(await writer.say(`write w round-${round}`), 'written')
    // Closing gives up as well, and whoever locks next waits for what was written.
    assert.equal(await writer.say(round % 4 < 2 ? 'posix w un' : 'close w'), round % 4 < 2 ? 'ok' : 'closed')
    await granted(reader, 'posix w sh')
    assert.equal(await reader.say('read w'), `round-${round}`)
    assert.equal(await reader.say('posix w un'), 'ok')
  }
})

/** With its rollback journal, since its WAL shares memory, which machines can't. */
const COUNT_UP = `
import sqlite3, sys
db = sqlite3.connect('counter.db', timeout=30, isolation_level=None)
db.execute('pragma journal_mode=delete')
for step in range(int(sys.argv[1])):
    db.execute('begin immediate')
    n = db.execute('select count(*) from t').fetchone()[0]
    db.execute('insert into t values (?)', (n,))
    db.execute('commit')
`

test('two machines write to one SQLite database, and no transaction is lost', onKernel, async () => {
  // Two who make a file of one name at once, written back, have made two.
  await mounts[0].sh("python3 -c \"import sqlite3; sqlite3.connect('counter.db').execute('create table t(n)')\"")
  await Promise.all(mounts.map(({ sh }) => sh(`python3 - 15 <<'END'${COUNT_UP}END`)))
  const printed = await mounts[0].sh(`python3 - <<'END'
import sqlite3
db = sqlite3.connect('counter.db')
print(db.execute('select count(*), count(distinct n), max(n) from t').fetchone(), db.execute('pragma integrity_check').fetchone()[0])
END`)
  assert.equal(printed, '(30, 30, 29) ok\n')
})

test('a mount that is killed keeps its locks for its lease, and no longer', onKernel, async (t) => {
  // The last renewal was up to a third of the lease before, and the node looks once a second.
  const isInTime = (afterMs: number): boolean => afterMs < LEASE_MS + 2_500
  const took: number[] = []
  for (let round = 0; round < ROUNDS_MAX && !took.some(isInTime); round += 1) {
    const doomed = await mount()
    t.after(() => doomed.clear())
    const [holder, waiter] = (await programs(t, doomed, mounts[1])) as [LineProgram, LineProgram]
    assert.equal(await holder.say(`posix k${round} ex`), 'ok')
    const beforeMs = performance.now()
    doomed.child.kill('SIGKILL')
    assert.equal(await waiter.say(`tryposix k${round} ex`), 'EAGAIN')
    assert.equal(await waiter.say(`posix k${round} ex`), 'waited')
    const afterMs = performance.now() - beforeMs
    assert.ok(afterMs > LEASE_MS / 3, `${afterMs} ms`)
    took.push(afterMs)
  }
  assert.ok(took.some(isInTime), `${took.join(' ')} ms`)
})

test(
  'a mount that stood still for longer than its lease says EIO of what it had locked, until it is closed',
  onKernel,
  async (t) => {
    const frozen = await mount()
    t.after(() => frozen.clear())
    const [holder, other] = (await programs(t, frozen, mounts[1])) as [LineProgram, LineProgram]
    assert.equal(await holder.say('posix z ex'), 'ok')
    assert.equal(await holder.say('write z mine'), 'written')
    frozen.child.kill('SIGSTOP')
    assert.equal(await other.say('posix z ex'), 'waited')
    assert.equal(await other.say('write z theirs'), 'written')
    assert.equal(await other.say('close z'), 'closed')
    frozen.child.kill('SIGCONT')
    assert.equal(await holder.say('sync z'), 'EIO')
    assert.equal(await holder.say('write z more'), 'EIO')
    assert.equal(await holder.say('close z'), 'EIO')
    // Its next session begins with its next renewal.
    let again = await holder.say('posix z ex')
    for (let tries = 0; again === 'ENOLCK' && tries < 100; tries += 1) {
      await nodeClock.sleep(100)
      again = await holder.say('posix z ex')
    }
    assert.equal(again, 'ok')
    assert.equal(await holder.say('read z'), 'theirs')
  },
)
