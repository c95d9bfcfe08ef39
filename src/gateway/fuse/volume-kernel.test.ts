import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture, readAll } from '#volume/volume-fixture.suite.ts'
import { MOUNT_PROMISES } from './mount-tools.suite.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { MountedVolume } from './mounted-volume.ts'
import { volumeOperations } from './volume-operations.ts'

const onKernel = { skip: noMounts, timeout: 30_000 }

async function mountedVolume(t: TestContext) {
  const { volume } = await openFixture({ clock: nodeClock as never })
  const state = await MountedVolume.open({
    volume,
    caller: { principal: 'tester' },
    clock: nodeClock,
    random: nodeRandom,
    log: silentLog,
  })
  const files = await mounted(t, volumeOperations(state))
  return { ...files, volume, state }
}

for (const { promise, see } of MOUNT_PROMISES) {
  test(`on a volume: ${promise}`, onKernel, async (t) => {
    const files = await mountedVolume(t)
    await see(files)
    assert.deepEqual((await files.volume.list([])).entries, [])
  })
}

test('what close has answered is in the volume, and what the volume gets is seen by who opens after', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  await sh('mkdir d; echo from the mount > d/f; chmod 640 d/f; chown 3:4 d/f')
  const file = await volume.openFile(['d', 'f'])
  assert.equal((await readAll(file)).toString(), 'from the mount\n')
  assert.deepEqual([file?.attributes.mode, file?.attributes.uid, file?.attributes.gid], [0o640, 3, 4])
  await volume.writeFile(['d', 'f'], Buffer.from('from the volume'), { caller: { principal: 'other' } })
  await nodeClock.sleep(1100)
  assert.equal(await sh('cat d/f'), 'from the volume')
})

test('bytes written to a file that another has replaced go nowhere else', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const other = { caller: { principal: 'other' } }
  const script = sh('echo mine > f; exec 3>>f; until [ -e go ]; do sleep 0.1; done; echo more >&3; exec 3>&-')
  while ((await volume.stat(['f']))?.sizeBytes !== 5) await nodeClock.sleep(10)
  await volume.remove(['f'], other)
  await volume.writeFile(['f'], Buffer.from('theirs'), other)
  await volume.writeFile(['go'], Buffer.alloc(0), other)
  await script.catch(() => undefined)
  assert.equal((await readAll(await volume.openFile(['f']))).toString(), 'theirs')
})

test('a file that is removed while it is open shows nowhere, goes on, and leaves nothing', onKernel, async (t) => {
  const { sh, volume } = await mountedVolume(t)
  const printed = await sh(`
    echo one > f; exec 3<>f; rm f; ls -A; echo two >&3; stat -L -c %h /proc/self/fd/3; cat /proc/self/fd/3
    echo new > g; exec 4<g; echo newer > h; mv h g; cat g; cat <&4; exec 3<&- 4<&-`)
  assert.equal(printed, '0\ntwo\nnewer\nnew\n')
  for (let tries = 0; (await volume.list([])).entries.length > 1 && tries < 50; tries += 1) await nodeClock.sleep(20)
  assert.deepEqual(
    (await volume.list([])).entries.map(({ path }) => path.join('/')),
    ['g'],
  )
})

test('the kernel forgets what is gone, and the table with it', onKernel, async (t) => {
  const { sh, state } = await mountedVolume(t)
  await sh('mkdir d; for i in $(seq 100); do echo x > d/$i; done; ls -lR . > /dev/null; rm -r d; ls')
  for (let tries = 0; state.table.size > 1 && tries < 100; tries += 1) await nodeClock.sleep(20)
  assert.equal(state.table.size, 1)
})
