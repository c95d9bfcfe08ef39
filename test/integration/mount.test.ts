// A volume of a real node, mounted by `shoal mount`, and programs that work in it.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, test, type TestContext } from 'node:test'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
import { ShoalClient } from '../../src/client/shoal-client.ts'
import { MOUNT_PROMISES } from '../../src/gateway/fuse/mount-tools.suite.ts'
import { noMounts, shell } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { NodeFuseMounts } from '../../src/platform/node-fuse-mounts.ts'
import { nodeRandom } from '../../src/platform/node-random.ts'
import { ACCESS_KEY, freePort, type NodeProcess, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'

const onKernel = { skip: noMounts, timeout: 60_000 }
const folder = mkdtempSync(join(tmpdir(), 'shoal-mounted-node-'))
let node: NodeProcess
let client: ShoalClient

before(async () => {
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  client = connect(node.origin)
})

after(async () => {
  await client.close()
  await node.stop()
  rmSync(folder, { recursive: true, force: true })
})

function connect(endpoint: string): ShoalClient {
  return new ShoalClient({ endpoint, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, clock: nodeClock, random: nodeRandom })
}

interface MountProcess {
  readonly directory: string
  readonly child: ChildProcess
  sh(script: string): Promise<string>
}

async function mountVolume(
  t: TestContext,
  volume: string,
  { flags = [], endpoint = node.origin }: { readonly flags?: readonly string[]; readonly endpoint?: string } = {},
): Promise<MountProcess> {
  const there = connect(endpoint)
  await there.createVolume(volume).catch(() => undefined)
  await there.close()
  const environment = { ...process.env, SHOAL_ENDPOINT: endpoint }
  const directory = mkdtempSync(join(tmpdir(), 'shoal-mount-'))
  const child = shoal(['mount', volume, directory, '--foreground', ...flags], environment)
  const [line] = (await once(child.stdout?.setEncoding('utf8') as NodeJS.ReadableStream, 'data')) as [string]
  assert.equal(line, `Mounted ${volume} at ${directory}\n`)
  t.after(async () => {
    child.kill('SIGKILL')
    await new NodeFuseMounts().unmount(directory, { lazy: true }).catch(() => undefined)
    rmdirSync(directory)
  })
  return { directory, child, sh: (script) => shell(script, directory) }
}

function shoal(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = { ...process.env, SHOAL_ENDPOINT: node.origin },
): ChildProcess {
  return spawn(process.execPath, [...NODE_FLAGS, 'src/main.ts', ...args], {
    env: { ...environment, XDG_STATE_HOME: folder, SHOAL_ACCESS_KEY: ACCESS_KEY, SHOAL_SECRET_KEY: SECRET_KEY },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

// What takes a thousand files is seen on a volume in memory.
const SEEN_HERE = MOUNT_PROMISES.filter(({ promise }) => !promise.includes('thousand'))

test(
  "on a node's volume programs find what they find on a disk, and nothing is left of them",
  { ...onKernel, timeout: 120_000 },
  async (t) => {
    const mounted = await mountVolume(t, 'tools')
    for (const { promise, see } of SEEN_HERE) {
      await t.test(promise, async () => {
        await see(mounted)
      })
    }
    assert.equal(await exitCode(shoal(['unmount', mounted.directory])), 0)
    assert.equal(await exitCode(mounted.child), 0)
    assert.deepEqual((await client.listPage('tools', '')).entries, [])
  },
)

test('who works in a directory that is removed finds it empty, and can make nothing in it', onKernel, async (t) => {
  const { sh } = await mountVolume(t, 'removed')
  assert.equal(
    await sh('mkdir d; cd d; rmdir ../d; ls -A; stat -c %h:%F .; mkdir e 2> /dev/null || echo refused'),
    '0:directory\nrefused\n',
  )
})

test('two mounts of one volume see what the other has closed', onKernel, async (t) => {
  const flags = ['--write-mode', 'through']
  const [one, other] = [await mountVolume(t, 'shared', { flags }), await mountVolume(t, 'shared', { flags })]
  await one.sh('echo first > f; mkdir d; ln -s f l')
  assert.equal(await other.sh('cat f l; stat -c %F d; echo second > f'), 'first\nfirst\ndirectory\n')
  assert.equal(await one.sh('cat f'), 'second\n')
  // Longer and shorter, in place and replaced, while the other has it open: each time it was closed before it is opened.
  for (let round = 0; round < 10; round += 1) {
    const text = `${'x'.repeat((round * 7) % 20)}${round}\n`
    await one.sh(round % 2 === 0 ? `printf '${text}' > f` : `printf '${text}' > f.new; mv f.new f`)
    assert.equal(await other.sh('exec 3< f; cat f'), text)
  }
})

test('what one mount does is told to the other, which had looked before and asks no more by itself', onKernel, async (t) => {
  const [one, other] = [await mountVolume(t, 'told'), await mountVolume(t, 'told')]
  await one.sh('mkdir d; for i in $(seq 50); do echo $i > d/$i; done; echo x > f; ln f l')
  // Until the feed is there, the kernel asks again after a second.
  await nodeClock.sleep(1500)
  const look = 'ls -l . d > /dev/null; cat f > /dev/null; test ! -e new'
  await other.sh(`${look}; sleep 0.1; ${look}`)
  const becomes = (script: string) =>
    other.sh(`for i in $(seq 500); do if ${script}; then exit 0; fi; sleep 0.02; done; echo "never: $0"; exit 1`)
  await one.sh('echo new > new; echo more >> f; for i in $(seq 50); do mv d/$i d/moved-$i; done')
  await becomes('test -e new -a "$(ls d | grep -c moved)" = 50 -a "$(stat -c %s f)" = 7 -a ! -e d/7 -a -e d/moved-7')
  await one.sh('chmod 600 f; rm l; mv d e; rmdir e 2> /dev/null || true')
  await becomes('[ "$(stat -c %a:%h f)" = 600:1 -a ! -e l -a ! -e d -a "$(cat e/moved-7)" = 7 ]')
  await one.sh('rm -r e new f')
  await becomes('[ -z "$(ls -A)" ]')
})

test('a mount that loses its node finds what has changed meanwhile when the node is back', onKernel, async (t) => {
  const port = await freePort()
  const data = join(folder, 'second')
  let second = await startNodeProcess({ data, port })
  const { sh } = await mountVolume(t, 'again', { endpoint: second.origin })
  await sh('echo one > f; sleep 1.5; cat f; ls > /dev/null')
  await second.kill()
  second = await startNodeProcess({ data, port })
  t.after(() => second.stop())
  const there = connect(second.origin)
  await there.move('again', 'f', { to: 'g' })
  await there.close()
  assert.equal(await sh('for i in $(seq 500); do if [ -e g -a ! -e f ]; then cat g; exit 0; fi; sleep 0.02; done'), 'one\n')
})

test(
  'while its node is away a mount shows what was looked at, and takes changes of it, which others see when it is back',
  onKernel,
  async (t) => {
    const port = await freePort()
    const data = join(folder, 'third')
    let third = await startNodeProcess({ data, port })
    const { sh } = await mountVolume(t, 'away', { endpoint: third.origin })
    await sh('mkdir d; echo one > d/f; sleep 1.5')
    const there = connect(third.origin)
    await there.writeSmallFile('away', 'd/g', Buffer.from('two\n'))
    assert.equal(await sh('cat d/f d/g'), 'one\ntwo\n')
    await third.kill()
    // By then the kernel has dropped what it knew.
    await nodeClock.sleep(4_000)
    assert.equal(await sh('cat d/f d/g; echo more >> d/g; cat d/g'), 'one\ntwo\ntwo\nmore\n')
    third = await startNodeProcess({ data, port })
    t.after(() => third.stop())
    t.after(() => there.close())
    while ((await there.getEntry('away', 'd/g')).size < 9) await nodeClock.sleep(50)
  },
)

test(
  'what close has answered is on the node when the mount is killed, and a new mount takes the place of the dead one',
  onKernel,
  async (t) => {
    const { directory, child, sh } = await mountVolume(t, 'killed', { flags: ['--write-mode', 'through'] })
    await sh('for i in $(seq 20); do echo $i > f$i; done')
    child.kill('SIGKILL')
    await exitCode(child)
    assert.equal((await client.listPage('killed', '')).entries.length, 20)
    const again = shoal(['mount', 'killed', directory, '--foreground'])
    await once(again.stdout as NodeJS.ReadableStream, 'data')
    assert.equal(await sh('cat f20'), '20\n')
    again.kill('SIGINT')
    assert.equal(await exitCode(again), 0)
  },
)

test(
  'a mount runs no programs where that is not wanted, is found by a link, and shows nobody with which key it was mounted',
  onKernel,
  async (t) => {
    const { sh, child } = await mountVolume(t, 'closed', { flags: ['-o', `noexec,secret-key=${SECRET_KEY}`] })
    assert.equal(await sh('cp /bin/true t; chmod 755 t; ./t 2> /dev/null || echo refused'), 'refused\n')
    assert.doesNotMatch(readFileSync(`/proc/${child.pid}/cmdline`, 'latin1'), new RegExp(SECRET_KEY))
    const link = join(folder, 'link')
    const directory = mkdtempSync(join(tmpdir(), 'shoal-mount-'))
    symlinkSync(directory, link)
    assert.equal(await exitCode(shoal(['mount', 'closed', link, '--log-file', join(folder, 'link.log')])), 0)
    assert.equal(await exitCode(shoal(['unmount', link])), 0)
    rmdirSync(directory)
  },
)

test('an interrupted mount in use serves who uses it until the end', onKernel, async (t) => {
  const { directory, child, sh } = await mountVolume(t, 'busy')
  const script = sh('exec 3>f; echo begun; for i in $(seq 20); do sleep 0.05; echo $i >&3; done')
  while ((await client.findEntry('busy', 'f')) === undefined) await nodeClock.sleep(20)
  child.kill('SIGINT')
  assert.equal(await script, 'begun\n')
  assert.equal(await exitCode(child), 0)
  assert.equal((await client.getEntry('busy', 'f')).size, 51)
  assert.deepEqual(await new NodeFuseMounts().inspect(directory), { state: 'free' })
})

test('a mount goes on in the background once it is there, is listed, and ends when it is unmounted', onKernel, async (t) => {
  await client.createVolume('quiet').catch(() => undefined)
  const directory = mkdtempSync(join(tmpdir(), 'shoal-mount-'))
  t.after(async () => {
    await new NodeFuseMounts().unmount(directory, { lazy: true }).catch(() => undefined)
    rmdirSync(directory)
  })
  const logs = join(folder, 'mount.log')
  const failed = shoal(['mount', 'nowhere', directory, '--log-file', logs])
  assert.notEqual(await exitCode(failed), 0)
  const helper = spawn(
    process.execPath,
    [...NODE_FLAGS, 'bin/mount.shoal.mjs', 'shoal:quiet', directory, '-n', '-o', `_netdev,log-file=${logs}`],
    {
      env: {
        ...process.env,
        XDG_STATE_HOME: folder,
        SHOAL_ENDPOINT: node.origin,
        SHOAL_ACCESS_KEY: ACCESS_KEY,
        SHOAL_SECRET_KEY: SECRET_KEY,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  assert.equal(await exitCode(helper), 0)
  assert.equal(await shell('echo there > f; cat f', directory), 'there\n')
  const status = shoal(['mount', 'status', '--json'])
  const listed = await text(status.stdout as NodeJS.ReadableStream)
  assert.ok(listed.includes(JSON.stringify({ volume: 'quiet', directory, state: 'mounted' }).slice(0, -1)), listed)
  assert.match(readFileSync(logs, 'utf8'), /"nowhere"/)
  assert.equal(await exitCode(shoal(['unmount', directory])), 0)
  assert.deepEqual(await new NodeFuseMounts().inspect(directory), { state: 'free' })
})

test('a read-only mount refuses changes, a missing volume is named', onKernel, async (t) => {
  const { sh } = await mountVolume(t, 'fixed', { flags: ['--read-only'] })
  assert.equal(await sh('(echo x > f) 2>&1 | sed "s/.*: //" || true'), 'Read-only file system\n')
  assert.notEqual(await exitCode(shoal(['mount', 'missing-volume', folder])), 0)
})
