import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, rmdirSync } from 'node:fs'
import { access, open, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findMount, parseMountTable } from '#platform/mount-table.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { NodeFuseMounts } from '#platform/node-fuse-mounts.ts'
import { MemoryOperations } from './memory-operations.suite.ts'
import { MOUNT_PROMISES } from './mount-tools.suite.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { refusal } from './protocol/errno.ts'

const MEMORY_MOUNT = fileURLToPath(new URL('./memory-mount.child.ts', import.meta.url))
const onKernel = { skip: noMounts, timeout: 30_000 }

for (const { promise, see } of MOUNT_PROMISES) {
  test(`through the kernel: ${promise}`, onKernel, async (t) => {
    const operations = new MemoryOperations(nodeClock)
    await see(await mounted(t, operations))
    assert.equal(operations.openHandles, 0)
  })
}

test('what is removed is forgotten by the kernel, look-up for look-up', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { sh } = await mounted(t, operations)
  await sh('mkdir d; for i in $(seq 200); do echo x > d/$i; done; ls -lR . > /dev/null; rm -r d; ls')
  // The kernel forgets when it likes: in batches, a moment later.
  for (let tries = 0; operations.nodes.size > 1 && tries < 100; tries += 1) await nodeClock.sleep(20)
  assert.deepEqual([...operations.nodes.keys()], [1])
})

test('what changed behind the kernel is seen when it has been told, and not before', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { sh, mount } = await mounted(t, operations)
  await sh('echo before > f; cat f')
  const [, file] = [...operations.nodes.values()]
  assert.ok(file !== undefined)
  file.write(0, Buffer.from('after!'))
  assert.equal(await sh('cat f'), 'before\n')
  assert.equal(await mount.notify({ kind: 'inode', nodeId: file.id, data: { offset: 0, length: 0 } }), 'taken')
  assert.equal(await sh('cat f'), 'after!\n')
  assert.equal(await mount.notify({ kind: 'entry', parentId: 1, name: 'nothing' }), 'not-cached')
  assert.equal(await mount.notify({ kind: 'entry', parentId: 1, name: 'f' }), 'taken')
  const many = Array.from({ length: 1000 }, () => mount.notify({ kind: 'inode', nodeId: file.id }))
  assert.ok((await Promise.all(many)).every((outcome) => outcome === 'taken' || outcome === 'not-cached'))
})

test('a mount that is unmounted by force, while the kernel waits for an answer, ends as any other', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { directory, mount, sh } = await mounted(t, operations)
  await sh('echo content > f')
  const asked = Promise.withResolvers<void>()
  operations.slowXattr = () => {
    asked.resolve()
    return new Promise(() => {})
  }
  const waiting = spawn('python3', ['-c', 'import os, sys; os.getxattr(sys.argv[1], "user.slow")', `${directory}/f`], {
    stdio: 'ignore',
  })
  await asked.promise
  const force = spawn('umount', ['-f', directory], { stdio: 'ignore' })
  await Promise.all([once(waiting, 'exit'), once(force, 'exit')])
  await mount.ended
})

test('who reads in order is read ahead in steps of half a mebibyte', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { sh, directory } = await mounted(t, operations)
  const row = findMount(parseMountTable(await readFile('/proc/self/mountinfo', 'utf8')), directory)
  const setting = `/sys/class/bdi/${row?.device}/read_ahead_kb`
  const isReadOnly = await access(setting, constants.W_OK).then(
    () => false,
    () => true,
  )
  if (isReadOnly) return t.skip('a container may not change it')
  assert.equal(await readFile(setting, 'utf8'), '512\n')
  await sh('head -c 4194304 /dev/zero > f; sync f; echo 1 > /proc/sys/vm/drop_caches; cat f > /dev/null')
  const { lengthsRead } = operations
  assert.ok(Math.max(...lengthsRead) >= 512 * 1024, lengthsRead.join())
  assert.ok(lengthsRead.length <= 12, lengthsRead.join())
})

test('a slow answer holds nobody else up, and is given up when who asked for it is interrupted', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { directory, sh } = await mounted(t, operations)
  await sh('echo content > f')
  const asked = Promise.withResolvers<void>()
  operations.slowXattr = ({ signal }) =>
    new Promise((resolve) => {
      asked.resolve()
      signal.addEventListener('abort', () => resolve(refusal('EINTR')))
    })
  const reader = spawn('python3', ['-c', 'import os, sys; os.getxattr(sys.argv[1], "user.slow")', `${directory}/f`])
  await asked.promise
  assert.equal(await sh('mkdir d; cat f; ls'), 'content\nd\nf\n')
  reader.kill('SIGKILL')
  const [, signal] = (await once(reader, 'close')) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL')
})

test('who waits for an answer that does not come can be killed, by any signal that he does not handle', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { directory, sh } = await mounted(t, operations)
  await sh('echo content > f')
  const asked = Promise.withResolvers<void>()
  operations.slowXattr = () => new Promise(() => asked.resolve())
  const handled = 'import os, signal, sys; signal.signal(signal.SIGUSR1, lambda *_: None); os.getxattr(sys.argv[1], "user.slow")'
  const reader = spawn('python3', ['-c', handled, `${directory}/f`])
  await asked.promise
  reader.kill('SIGUSR1')
  await nodeClock.sleep(1_500)
  assert.equal(reader.exitCode ?? reader.signalCode, null)
  reader.kill('SIGTERM')
  const [, signal] = (await once(reader, 'close')) as [number | null, string | null]
  assert.equal(signal, 'SIGTERM')
})

test('who waits for a lock gets it when it is free, or stops waiting when told to', onKernel, async (t) => {
  const { sh } = await mounted(t, new MemoryOperations(nodeClock))
  const printed = await sh(`
    : > l; flock l sleep 0.5 & sleep 0.2; flock -n l true || echo taken
    timeout 0.1 flock l true || echo gave up; flock l echo mine; wait`)
  assert.equal(printed, 'taken\ngave up\nmine\n')
})

test('a mount in use is not unmounted but lazily, and then serves until it is left', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const { directory, mount, sh } = await mounted(t, operations)
  await sh('echo content > f')
  const file = await open(`${directory}/f`, 'r+')
  await assert.rejects(mount.unmount({ lazy: false }), { code: 'BUSY' })
  await mount.unmount({ lazy: true })
  assert.deepEqual(await new NodeFuseMounts().inspect(directory), { state: 'free' })
  await file.write('CON', 0)
  assert.equal((await file.read(Buffer.alloc(7), 0, 7, 0)).buffer.toString(), 'CONtent')
  await file.close()
  await mount.ended
  await assert.rejects(mount.notify({ kind: 'inode', nodeId: 1 }), { code: 'UNAVAILABLE' })
})

test('fusermount3 mounts and unmounts for those who may not themselves', onKernel, async (t) => {
  const mounts = new NodeFuseMounts({ isRoot: false })
  const { directory, mount, sh } = await mounted(t, new MemoryOperations(nodeClock), { mounts })
  assert.equal(await sh('echo user > f; cat f'), 'user\n')
  assert.deepEqual(await mounts.inspect(directory), { state: 'mounted', source: 'shoal:test', type: 'fuse.shoal' })
  await mount.unmount({ lazy: false })
  await mount.ended
  await assert.rejects(mounts.unmount(directory, { lazy: false }), { code: 'NOT_FOUND' })
})

test('the kernel holds users to modes and owners', onKernel, async (t) => {
  const { sh } = await mounted(t, new MemoryOperations(nodeClock))
  const printed = await sh(`
    chmod 755 .; echo secret > f; chmod 600 f; mkdir -m 1777 shared; echo x > shared/mine
    setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'cat f 2>&1 || true; rm -f shared/mine 2>&1 || true; echo y > shared/theirs; stat -c %u shared/theirs' | sed 's/.*: //'
    chmod 6755 f; setpriv --reuid=0 bash -c 'echo more >> f'; chmod 666 f; chmod u+s f
    setpriv --reuid=65534 --regid=65534 --clear-groups bash -c 'echo more >> f'; touch f; stat -c %a f`)
  assert.equal(printed, 'Permission denied\nOperation not permitted\n65534\n666\n')
})

test('a mount whose program was killed is told from a live one, and can be cleared away', onKernel, async (t) => {
  const mounts = new NodeFuseMounts()
  const child = spawn(process.execPath, [MEMORY_MOUNT], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  const directory = line.trim()
  t.after(async () => {
    await mounts.unmount(directory, { lazy: true }).catch(() => undefined)
    rmdirSync(directory)
  })
  assert.equal((await mounts.inspect(directory)).state, 'mounted')
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.deepEqual(await mounts.inspect(directory), { state: 'dead', source: 'shoal:memory', type: 'fuse.shoal' })
  await mounts.unmount(directory, { lazy: true })
  assert.deepEqual(await mounts.inspect(directory), { state: 'free' })
})

test('a directory that is not there, or none, is refused by name', onKernel, async (t) => {
  const operations = new MemoryOperations(nodeClock)
  const elsewhere = (directory: string) => mounted(t, operations, { directory })
  await assert.rejects(elsewhere('/nowhere/at/all'), { code: 'NOT_FOUND', message: /"\/nowhere\/at\/all"/ })
  await assert.rejects(elsewhere('/etc/passwd'), { code: 'NOT_A_DIRECTORY' })
})
