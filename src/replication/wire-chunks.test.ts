import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { digestChunk } from '#chunk/digest-chunk.ts'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { idOf, rejectsWith, sampleBytes } from '#chunk/store.suite.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { callDeadlineMs, decodeInfo, encodeInfo } from './chunk-calls.ts'
import { ArrivingChunk } from './arriving-chunk.ts'
import type { CopyOutcome, RemoteChunks } from './peers.ts'
import { WireCluster } from './wire-cluster.suite.ts'
import type { WireNode } from './wire-cluster.suite.ts'
import { piecesOf } from './piece-source.suite.ts'

// Four nodes in one process, over TLS on loopback, with stores in memory that can be told to fail.

const MIB = 1024 * 1024
const never = new AbortController().signal

let cluster: WireCluster
let stores: ChunkStore[]
let failure: ShoalError | undefined
let [self, primary, second, third] = [] as unknown as [WireNode, WireNode, WireNode, WireNode]

/** Fails every write as long as there is a `failure`. */
function failingStore(): ChunkStore {
  const store = openMemoryChunkStore({ clock: nodeClock })
  return Object.assign(Object.create(store) as ChunkStore, {
    write: async (id: ChunkId, bytes: Uint8Array) => {
      if (failure !== undefined) throw failure
      await store.write(id, bytes)
    },
    read: store.read.bind(store),
    locate: store.locate.bind(store),
    forget: store.forget.bind(store),
    verify: store.verify.bind(store),
    list: store.list.bind(store),
    usage: store.usage.bind(store),
  })
}

before(async () => {
  const plain = (): ChunkStore => openMemoryChunkStore({ clock: nodeClock })
  stores = [plain(), plain(), failingStore(), plain()]
  cluster = await WireCluster.open({ count: 4, stores })
  ;[self, primary, second, third] = cluster.nodes as unknown as typeof cluster.nodes & [WireNode, WireNode, WireNode, WireNode]
})

beforeEach(() => {
  failure = undefined
})

after(() => cluster.cleanUp())

function remote(node: WireNode): RemoteChunks {
  return self.peers.store(node.id)
}

function chunk(length: number, seed: number): { id: ChunkId; bytes: Buffer } {
  const bytes = sampleBytes(length, seed)
  return { id: idOf(bytes), bytes }
}

async function write(
  id: ChunkId,
  bytes: Uint8Array,
  forward: readonly NodeId[] = [],
): Promise<Map<NodeId, CopyOutcome['error']>> {
  const outcomes = await Array.fromAsync(remote(primary).write(id, bytes, { forward, signal: never }))
  return new Map(outcomes.map(({ node, error }) => [node, error]))
}

async function copiesOf(id: ChunkId): Promise<number> {
  const found = await Promise.all(stores.map((store) => store.locate(id)))
  return found.filter((info) => info !== undefined).length
}

test('each copy of a forwarded chunk is told of, and is byte for byte what was sent', async () => {
  for (const size of [1, 70_000, 5 * MIB + 1]) {
    const { id, bytes } = chunk(size, 1)
    const outcomes = await write(id, bytes, [second.id, third.id])
    assert.deepEqual([...outcomes.keys()].toSorted(), [primary.id, second.id, third.id])
    assert.deepEqual([...outcomes.values()], [undefined, undefined, undefined])
    for (const { store } of [primary, second, third]) assert.ok((await store.read(id)).equals(bytes))
  }
})

test('with the checksums of its blocks a chunk is compared with these by every receiver, and stored nowhere if one differs', async () => {
  const { bytes } = chunk(2 * MIB + 5, 12)
  const { id, checksums } = await digestChunk(nodeDigests, bytes)
  const send = (sent: Uint8Array, node: WireNode, forward: readonly NodeId[]): Promise<CopyOutcome[]> =>
    Array.fromAsync(remote(node).write(id, sent, { forward, checksums, signal: never }))
  const damaged = Buffer.from(bytes)
  damaged[MIB + 3] = (damaged[MIB + 3] ?? 0) ^ 4
  const outcomes = [...(await send(damaged, primary, [second.id, third.id])), ...(await send(damaged, third, []))]
  assert.deepEqual(
    outcomes.map(({ error }) => error?.code),
    ['CORRUPT', 'CORRUPT', 'CORRUPT', 'CORRUPT'],
  )
  assert.equal(await copiesOf(id), 0)
  assert.deepEqual(
    (await send(bytes, primary, [second.id, third.id])).map(({ error }) => error),
    [undefined, undefined, undefined],
  )
  for (const { store } of [primary, second, third]) assert.ok((await store.read(id)).equals(bytes))
})

test('bytes that are not those of the id are stored nowhere: every receiver looks for itself', async () => {
  const { bytes } = chunk(300_000, 2)
  const { id } = chunk(300_000, 3)
  const outcomes = await write(id, bytes, [second.id, third.id])
  assert.deepEqual(
    [...outcomes.values()].map((error) => error?.code),
    ['CORRUPT', 'CORRUPT', 'CORRUPT'],
  )
  assert.equal((await write(id, bytes)).get(primary.id)?.code, 'CORRUPT')
  assert.equal(await copiesOf(id), 0)
})

test('a write that is cut off in the middle, or is shorter than announced, stores nothing', async () => {
  const { id, bytes } = chunk(2 * MIB, 4)
  const { promise: gate, resolve: goOn } = Promise.withResolvers<void>()
  for (const how of ['cancelled', 'shorter'] as const) {
    const source = new ArrivingChunk(id, Buffer.alloc(bytes.length))
    const stop = new AbortController()
    void source.fill(
      piecesOf(
        (async function* () {
          yield bytes.subarray(0, MIB)
          await (how === 'cancelled' ? gate : setTimeout(20))
        })(),
      ),
    )
    const outcomes = Array.fromAsync(remote(primary).write(id, source, { forward: [second.id], signal: stop.signal }))
    if (how === 'cancelled') void setTimeout(20).then(() => stop.abort())
    await rejectsWith(how === 'cancelled' ? 'CANCELLED' : 'CORRUPT', outcomes)
  }
  goOn()
  await setTimeout(50)
  assert.equal(await copiesOf(id), 0)
})

test('an error of a copy arrives as it was thrown: code, message, details and retry class', async () => {
  failure = new ShoalError('NO_SPACE', 'The disk is “full” \n', { details: { freeBytes: 17, path: '/data' } })
  const { id, bytes } = chunk(100, 5)
  const outcomes = await write(id, bytes, [second.id])
  assert.equal(outcomes.get(primary.id), undefined)
  const { code, message, details, retry } = outcomes.get(second.id) as ShoalError
  const thrown = { code: 'NO_SPACE', message: failure.message, details: failure.details, retry: 'after-delay' }
  assert.deepEqual({ code, message, details, retry }, thrown)
  const [alone] = await Array.fromAsync(remote(second).write(id, bytes, { forward: [], signal: never }))
  assert.deepEqual([alone?.error?.code, alone?.error?.message], ['NO_SPACE', failure.message])
  const missing = chunk(100, 6).id
  await rejectsWith('CHUNK_MISSING', remote(primary).read(missing, { range: undefined, signal: never }))
  await rejectsWith('INVALID_ARGUMENT', remote(primary).read(id, { range: { offset: 99, length: 2 }, signal: never }))
})

test('lists come in pages of a thousand and no more', async () => {
  const ids: ChunkId[] = []
  for (let seed = 0; seed < 1_005; seed += 1) {
    const bytes = Buffer.from(`chunk ${seed}`)
    ids.push(idOf(bytes))
    await third.store.write(idOf(bytes), bytes)
  }
  const list = (from: ChunkId | undefined, limit: number) => remote(third).list({ from, limit, signal: never })
  const first = await list(undefined, 1_000)
  assert.equal(first.length, 1_000)
  const rest = await list(first.at(-1)?.id, 1_000)
  const listed = new Set([...first, ...rest].map(({ id }) => id))
  assert.ok(ids.every((id) => listed.has(id)))
  await rejectsWith('UNAVAILABLE', list(undefined, 1_001))
})

test('what a node says of its chunks crosses as it is', async () => {
  const { id, bytes } = chunk(1_234, 7)
  await write(id, bytes)
  assert.deepEqual(await remote(primary).locate(id, never), await primary.store.locate(id))
  assert.deepEqual(await remote(primary).usage(never), await primary.store.usage())
  assert.equal(await remote(primary).verify(id, never), 'intact')
  const touchedAtMs = (await primary.store.locate(id))?.touchedAtMs ?? 0
  assert.equal(await remote(primary).forget(id, { untouchedSinceMs: touchedAtMs, signal: never }), false)
  assert.equal(await remote(primary).forget(id, { untouchedSinceMs: touchedAtMs + 1, signal: never }), true)
  assert.equal(await remote(primary).locate(id, never), undefined)
  assert.equal(await remote(primary).verify(id, never), 'missing')
})

test('a node fetches a chunk from another one itself, and keeps it if it is what its id says', async () => {
  const { id, bytes } = chunk(3 * MIB + 5, 9)
  await third.store.write(id, bytes)
  const pull = (from: NodeId, sizeBytes = bytes.length) => remote(second).pull(id, { from, sizeBytes, signal: never })
  assert.equal(await pull(primary.id), 'unreadable')
  assert.equal(await pull('ff'.repeat(16) as NodeId), 'unreachable')
  assert.equal(await second.store.locate(id), undefined)
  failure = new ShoalError('NO_SPACE', 'The disk is full')
  await rejectsWith('NO_SPACE', pull(third.id))
  failure = undefined
  assert.equal(await pull(third.id), 'stored')
  assert.ok((await second.store.read(id)).equals(bytes))
  await rejectsWith('UNAVAILABLE', pull(third.id, 64 * MIB + 1))
})

test('the time that a call has grows with what it moves', () => {
  assert.equal(callDeadlineMs(0), 15_000)
  assert.equal(callDeadlineMs(64 * MIB), 15_000 + 26_844)
})

test('a node that nobody knows is UNAVAILABLE, and one that was removed is sent nothing and let in no more', async () => {
  const { id, bytes } = chunk(1_000, 8)
  const nobody = 'ff'.repeat(16) as NodeId
  await rejectsWith('UNAVAILABLE', self.peers.store(nobody).locate(id, never))
  cluster.removed.add(third.id)
  for (const { server } of cluster.nodes) server.dropRemoved()
  assert.equal((await write(id, bytes, [third.id])).get(third.id)?.code, 'UNAVAILABLE')
  await rejectsWith('FORBIDDEN', third.peers.store(primary.id).locate(id, never))
  assert.equal(await third.store.locate(id), undefined)
})

test('what a node says of a chunk arrives, also that it is damaged', () => {
  const info = { id: idOf(sampleBytes(1)), sizeBytes: 1, touchedAtMs: 17 }
  assert.deepEqual(decodeInfo(encodeInfo(info)), info)
  assert.deepEqual(decodeInfo(encodeInfo({ ...info, isDamaged: true })), { ...info, isDamaged: true })
})
