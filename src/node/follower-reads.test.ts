import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import { KeySeal } from '#access/key-seal.ts'
import { KvKeyring } from '#access/kv-keyring.ts'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { parsePath } from '#foundation/path.ts'
import { isForTheWriter } from '#kv/following-store.ts'
import { openReplica, until } from '#kv/replicated-fixture.suite.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import { bodyOf, caller, readAll } from '#volume/volume-fixture.suite.ts'
import { followAccess } from './followed-access.ts'
import { FollowerReads } from './follower-reads.ts'
import { assembleVolumes } from './node-volumes.ts'

const SETTINGS = {
  changes: { ringEntries: 1_000 },
  uploads: { expiryMs: 60_000 },
  gc: { graceMs: 60_000, intervalMs: 60_000, sweepIntervalMs: 60_000 },
  limits: { writeBufferBytes: 64 * 1024 * 1024 },
}
const ROOT_KEY = { accessKey: 'ROOT', secretKey: 'a secret of the root' }
const FRESH = { isStale: false }

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

/** A node that leads, and one that follows it: the log between them, and the chunks of both. */
async function twoNodes() {
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 30_000 })
  let questions = 0
  const near = log.client({ clock: nodeClock })
  const far = log.client({
    clock: nodeClock,
    fault: (call) => {
      if (call === 'bounds') questions += 1
      return undefined
    },
  })
  const leading = openReplica('a', { log: near })
  await until(() => leading.isLeading, 'it leads')
  const following = openReplica('b', { log: far })
  ends.push(async () => {
    far.partition(false)
    for (const part of [leading, following, near, far]) await part.close()
  })
  const metrics = new PromMetrics({ ofProcess: false })
  const ports = { clock: nodeClock, random: nodeRandom, log: silentLog, metrics }
  const chunks = openMemoryChunkStore({ clock: nodeClock })
  const volumes = assembleVolumes({ kv: leading, chunks, folder: { nodeId: 'a' } }, SETTINGS, ports)
  const seal = new KeySeal(Buffer.alloc(32), nodeRandom)
  const keyring = new KvKeyring({ ...ports, kv: leading, seal, changed: () => {} })
  const beside = new BasicAuthenticator({ ...ports, find: () => undefined })
  const access = followAccess({ store: following, seal, root: ROOT_KEY, beside, ports })
  const classes = { has: () => true, chunksOf: () => chunks }
  const reads = new FollowerReads({
    config: SETTINGS,
    store: following,
    access,
    chunks: { chunks: { all: chunks, isSpread: true }, classes },
    nodeId: 'b',
    ports,
  })
  await volumes.create('docs', { chunkSizeBytes: 1024 * 1024 }, caller)
  const write = async (path: string, ...contents: (string | Uint8Array)[]) =>
    (await volumes.open('docs')).writeFile(parsePath(path), bodyOf(...contents), { caller })
  const open = async (path: string) => (await reads.volumes.open('docs')).openFile(parsePath(path), { follow: true })
  return { volumes, keyring, access, reads, chunks, far, write, open, questions: () => questions }
}

test('a read of a node that follows shows what was acknowledged before it', async () => {
  const { reads, write, open } = await twoNodes()
  for (let at = 0; at < 50; at += 1) {
    await write('a', `contents ${at}`)
    assert.equal(await reads.isReady(FRESH), true)
    assert.equal((await readAll(await open('a'))).toString(), `contents ${at}`)
  }
  await write('large', Buffer.alloc(3_000_000, 1))
  assert.equal(await reads.isReady(FRESH), true)
  assert.deepEqual(await readAll(await open('large')), Buffer.alloc(3_000_000, 1))
})

test('so are changes of a volume and of keys, however they were kept here', async () => {
  const { reads, volumes, keyring, access } = await twoNodes()
  const quota = async () => {
    assert.equal(await reads.isReady(FRESH), true)
    return (await reads.volumes.open('docs')).info.policy.quotaFiles
  }
  assert.equal(await quota(), undefined)
  for (const quotaFiles of [1_000, 2_000]) {
    await volumes.update('docs', { quotaFiles }, caller)
    assert.equal(await quota(), quotaFiles)
    assert.equal(await quota(), quotaFiles)
  }
  const { accessKey, secretKey } = await keyring.create({ principal: 'alice' })
  const header = `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}`
  assert.equal(await reads.isReady(FRESH), true)
  assert.equal(access.findKey(accessKey)?.secretKey, secretKey)
  assert.equal(access.authenticator.verify(header)?.name, 'alice')
  await keyring.remove(accessKey)
  assert.equal(await reads.isReady(FRESH), true)
  assert.equal(access.findKey(accessKey), undefined)
  assert.equal(access.authenticator.verify(header), undefined)
  assert.equal(access.findKey(ROOT_KEY.accessKey)?.secretKey, ROOT_KEY.secretKey)
})

test('any number of reads at once ask the log twice at most, and stale ones not at all', async () => {
  const { reads, questions } = await twoNodes()
  assert.equal(await reads.isReady(FRESH), true)
  const before = questions()
  const ready = await Promise.all(Array.from({ length: 200 }, () => reads.isReady(FRESH)))
  assert.ok(ready.every(Boolean))
  assert.ok(questions() - before <= 2, `${questions() - before} questions`)
  const between = questions()
  for (let at = 0; at < 200; at += 1) assert.equal(await reads.isReady({ isStale: true }), true)
  assert.equal(questions(), between)
})

test('a node that is cut off from the log vouches for nothing but stale reads, and for those not for long', async () => {
  const { reads, far, write, open } = await twoNodes()
  await write('a', 'old')
  assert.equal(await reads.isReady(FRESH), true)
  far.partition(true)
  assert.equal(await reads.isReady(FRESH), false)
  assert.equal(await reads.isReady({ isStale: true }), true)
  assert.equal((await readAll(await open('a'))).toString(), 'old')
})

test('a file of many chunks is read as it was when it was opened, though its table is changed in place meanwhile', async () => {
  const { reads, volumes, write, open } = await twoNodes()
  await write('many', Buffer.alloc(9 * 1024 * 1024, 1))
  assert.equal(await reads.isReady(FRESH), true)
  const file = await open('many')
  const volume = await volumes.open('docs')
  await volume.writeAt(parsePath('many'), { offset: 5 * 1024 * 1024, bytes: Buffer.alloc(1024 * 1024, 2) }, caller)
  assert.deepEqual(await readAll(file), Buffer.alloc(9 * 1024 * 1024, 1))
  assert.equal(await reads.isReady(FRESH), true)
  const again = await readAll(await open('many'))
  assert.deepEqual([again.at(0), again.at(5.5 * 1024 * 1024)], [1, 2])
})

test('what takes a transaction, a table of more than a page, or a chunk that can not be had, is for the leader', async () => {
  const { reads, chunks, write, open } = await twoNodes()
  const mebibyte = Buffer.alloc(1024 * 1024, 1)
  await write('many', ...Array.from({ length: 260 }, () => mebibyte))
  await write('one', Buffer.alloc(1024 * 1024, 2))
  assert.equal(await reads.isReady(FRESH), true)
  await assert.rejects(open('many'), isForTheWriter)
  const volume = await reads.volumes.open('docs')
  await assert.rejects(volume.remove(parsePath('one'), { caller }), isForTheWriter)
  await assert.rejects(volume.locate(parsePath('one')), isForTheWriter)
  const file = await open('one')
  for await (const { id } of chunks.list()) await chunks.forget(id)
  await assert.rejects(readAll(file), isForTheWriter)
})
