import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { idOf } from '#chunk/store.suite.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { StrongVolumes } from './strong-volumes.ts'
import { bodyOf, caller, p } from './volume-fixture.suite.ts'

const INTERVAL_MS = 10

function openVolumes(
  kv = openMemoryStore(),
  options: Partial<ConstructorParameters<typeof StrongVolumes>[0]> = {},
): StrongVolumes {
  return new StrongVolumes({
    ...{ kv, chunks: openMemoryChunkStore({ clock: nodeClock }), clock: nodeClock, random: nodeRandom, digests: nodeDigests },
    ...{ log: silentLog, nodeId: 'node-1', changeRingEntries: 1_000, uploadExpiryMs: 60_000, writeBufferBytes: 2 ** 26 },
    ...{ gcGraceMs: 0, gcIntervalMs: INTERVAL_MS, sweepIntervalMs: 60_000 },
    ...options,
  })
}

test('background work ends when another node leads, and goes on when this one leads again', async () => {
  const volumes = openVolumes()
  await volumes.create('docs', {}, caller)
  const volume = await volumes.open('docs')
  const leaveGarbage = async () => {
    await volume.writeFile(p('/file'), bodyOf(nodeRandom.bytes(100_000)), { caller })
    await volume.remove(p('/file'), { caller })
  }
  const chunks = async () => (await volumes.status()).chunks.chunks
  const isCollected = async () => {
    for (const endMs = Date.now() + 5_000; (await chunks()) > 0 && Date.now() < endMs;) await delay(INTERVAL_MS)
    return (await chunks()) === 0
  }
  for (const _term of [1, 2]) {
    await leaveGarbage()
    volumes.start()
    assert.ok(await isCollected())
    await volumes.stop()
    await leaveGarbage()
    await delay(5 * INTERVAL_MS)
    assert.ok((await chunks()) > 0)
  }
  await volumes.close()
})

test('a volume that another node has changed is opened anew', async () => {
  const kv = openMemoryStore()
  const [volumes, other] = [openVolumes(kv), openVolumes(kv)]
  await other.create('docs', {}, caller)
  await volumes.open('docs')
  await other.remove('docs', { caller })
  await other.create('docs', { quotaFiles: 7 }, caller)
  volumes.forgetOpened()
  const volume = await volumes.open('docs')
  await volume.writeFile(p('/file'), bodyOf('text'), { caller })
  assert.equal((await other.find('docs'))?.usage.files, 1)
})

test('while others may have changed a volume it is what they have made of it, and not as it was opened', async () => {
  const kv = openMemoryStore()
  let isCurrent = true
  const [volumes, other] = [openVolumes(kv, { isCurrent: () => isCurrent }), openVolumes(kv)]
  await other.create('docs', {}, caller)
  const opened = await volumes.open('docs')
  assert.equal(await volumes.open('docs'), opened)
  isCurrent = false
  await other.update('docs', { quotaFiles: 7 }, caller)
  assert.equal((await volumes.open('docs')).info.policy.quotaFiles, 7)
  isCurrent = true
  assert.equal((await volumes.open('docs')).info.policy.quotaFiles, 7)
})

test('what a crash has left is swept by this node, or by others when it is their work', async () => {
  const chunks = openMemoryChunkStore({ clock: nodeClock })
  let isOthers = true
  const volumes = openVolumes(openMemoryStore(), { chunks, sweepIntervalMs: INTERVAL_MS, isSweptByOthers: () => isOthers })
  const bytes = nodeRandom.bytes(5_000)
  await chunks.write(idOf(bytes), bytes)
  volumes.start()
  await delay(10 * INTERVAL_MS)
  assert.ok((await chunks.locate(idOf(bytes))) !== undefined)
  isOthers = false
  for (const endMs = Date.now() + 5_000; Date.now() < endMs && (await chunks.locate(idOf(bytes))) !== undefined;)
    await delay(INTERVAL_MS)
  assert.equal(await chunks.locate(idOf(bytes)), undefined)
  await volumes.close()
})
