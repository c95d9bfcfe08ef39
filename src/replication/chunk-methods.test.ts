import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { idOf, rejectsWith, sampleBytes } from '#chunk/store.suite.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { WirePeers } from '#wire/peers.ts'
import { CALLER_ID, SERVER_ID, simulatePair } from '#wire/wire-fixture.suite.ts'
import type { SimulatedPair } from '#wire/wire-fixture.suite.ts'
import { ArrivingChunk } from './arriving-chunk.ts'
import type { ChunkRoom } from './chunk-memory.ts'
import { chunkMethods } from './chunk-methods.ts'
import type { ChunkMethodLimits } from './chunk-methods.ts'
import { TEST_DIGESTS } from './fake-cluster.suite.ts'
import type { ChunkPeers, CopyOutcome, RemoteChunks, RemoteWriteOptions } from './peers.ts'
import { WireChunkPeers } from './wire-chunks.ts'
import { piecesOf } from './piece-source.suite.ts'

const KIB = 1024
const [SECOND, THIRD] = ['02'.repeat(16), '03'.repeat(16)] as [NodeId, NodeId]

/** What a node does that is forwarded to. */
type Copy = (arriving: ArrivingChunk, options: RemoteWriteOptions) => Promise<void>

interface Forwarding extends SimulatedPair {
  readonly store: ChunkStore
  readonly remote: RemoteChunks
}

/** A caller and a primary that calls `copies` instead of nodes. */
async function forwarding(
  context: TestContext,
  copies: Readonly<Record<NodeId, Copy>>,
  limits: Partial<ChunkMethodLimits> = {},
  memory?: ChunkRoom,
): Promise<Forwarding> {
  const store = openMemoryChunkStore({ clock: new ManualClock() })
  // The pair makes its clock itself.
  const made: { clock?: ManualClock } = {}
  const peers: ChunkPeers = {
    self: SERVER_ID,
    isHealthy: () => true,
    takesChunks: () => true,
    members: () => [],
    store: (node) => ({
      ...({} as RemoteChunks),
      write: (_, bytes, options) => outcomeOf(node, copies[node], bytes as ArrivingChunk, options),
    }),
  }
  const late = { monotonicMs: () => made.clock?.monotonicMs() ?? 0, sleep: (ms: number) => (made.clock as ManualClock).sleep(ms) }
  const pair = await simulatePair(
    chunkMethods({ store, peers, digests: TEST_DIGESTS, clock: { ...late, nowMs: () => 0, nowNs: () => 0n }, limits, memory }),
  )
  made.clock = pair.clock
  context.after(() => pair.peers.close())
  return { ...pair, store, remote: remoteOf(pair.peers, pair) }
}

function remoteOf(wire: Pick<WirePeers, 'call'>, { address }: Pick<SimulatedPair, 'address'>): RemoteChunks {
  const store = openMemoryChunkStore({ clock: new ManualClock() })
  const options = { self: CALLER_ID, wire, store, isHealthy: () => true, digests: TEST_DIGESTS }
  return new WireChunkPeers({ ...options, addressOf: () => address }).store(SERVER_ID)
}

async function* outcomeOf(
  node: NodeId,
  copy: Copy | undefined,
  arriving: ArrivingChunk,
  options: RemoteWriteOptions,
): AsyncGenerator<CopyOutcome> {
  await copy?.(arriving, options)
  yield { node, error: undefined }
}

const takeAll: Copy = async (arriving) => void (await arriving.whole())
const hang: Copy = (_, { signal }) =>
  new Promise<never>((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(new ShoalError('CANCELLED', 'It was cancelled'))),
  )

function sample(length: number, seed = 1): { id: ChunkId; bytes: Buffer } {
  const bytes = sampleBytes(length, seed)
  return { id: idOf(bytes), bytes }
}

const never = new AbortController().signal

test('the memory of a chunk that has come is used again once all copies are durable, not after one has failed', async (context) => {
  const { id, bytes } = sample(600 * KIB)
  const given: Buffer[] = []
  const memory = { take: (sizeBytes: number) => Buffer.alloc(sizeBytes), giveBack: (buffer: Buffer) => void given.push(buffer) }
  const fail: Copy = () => Promise.reject(new ShoalError('NO_SPACE', 'The disk is full'))
  const { remote, settle } = await forwarding(context, { [SECOND]: fail, [THIRD]: takeAll }, {}, memory)
  const write = async (...forward: NodeId[]): Promise<void> => {
    const told = Array.fromAsync(remote.write(id, bytes, { forward, signal: never }))
    await settle()
    assert.equal((await told).length, 1 + forward.length)
  }
  await write(SECOND, THIRD)
  assert.equal(given.length, 0)
  await write(THIRD)
  await write()
  assert.deepEqual(given, [bytes, bytes])
})

test('a primary forwards what it receives before it has all of it', async (context) => {
  const { id, bytes } = sample(600 * KIB)
  const forwarded = Promise.withResolvers<number>()
  const { remote, settle } = await forwarding(context, {
    [SECOND]: async (arriving) => {
      for await (const piece of arriving.pieces()) forwarded.resolve(piece.length)
    },
  })
  const source = new ArrivingChunk(id, Buffer.alloc(bytes.length))
  const { promise: gate, resolve: goOn } = Promise.withResolvers<void>()
  void source.fill(
    piecesOf(
      (async function* () {
        yield bytes.subarray(0, 300 * KIB)
        await gate
        yield bytes.subarray(300 * KIB)
      })(),
    ),
  )
  const outcomes = Array.fromAsync(remote.write(id, source, { forward: [SECOND], signal: never }))
  await settle()
  assert.ok((await Promise.race([forwarded.promise, Promise.resolve(0)])) > 0, 'nothing was forwarded before the end')
  goOn()
  const told = await outcomes
  assert.deepEqual(new Set(told.map(({ node, error }) => (error === undefined ? node : error))), new Set([SERVER_ID, SECOND]))
})

test('a copy that takes nothing in holds up neither the primary nor the others, and the outcomes come as they are known', async (context) => {
  const { id, bytes } = sample(3_000 * KIB)
  const { remote, store } = await forwarding(context, { [SECOND]: takeAll, [THIRD]: hang })
  const stop = new AbortController()
  const outcomes = remote.write(id, bytes, { forward: [THIRD, SECOND], signal: stop.signal })[Symbol.asyncIterator]()
  const first = [(await outcomes.next()).value.node, (await outcomes.next()).value.node]
  assert.deepEqual(new Set(first), new Set([SERVER_ID, SECOND]))
  assert.ok((await store.read(id)).equals(bytes))
  const third = outcomes.next()
  stop.abort()
  await rejectsWith('CANCELLED', third)
})

test('a copy that lags is reported as failed once its memory is needed, not before, and the memory goes to who waits', async (context) => {
  const chunks = [1, 2, 3].map((seed) => sample(200 * KIB, seed))
  const [one, two, three] = chunks as [(typeof chunks)[0], (typeof chunks)[0], (typeof chunks)[0]]
  const { remote, store, pass } = await forwarding(
    context,
    { [SECOND]: (arriving, options) => (arriving.id === one.id ? hang(arriving, options) : takeAll(arriving, options)) },
    { arrivingBytesMax: 300 * KIB },
  )
  const told: { readonly node: NodeId; readonly error: ShoalError | undefined }[] = []
  const run = async ({ id, bytes }: typeof one): Promise<void> => {
    for await (const outcome of remote.write(id, bytes, { forward: [SECOND], signal: never })) told.push(outcome)
  }
  const slow = run(one)
  await pass(10_000)
  assert.equal(told.length, 1, 'nobody needs the memory')
  const next = run(two)
  await pass(100)
  await Promise.all([slow, next])
  assert.deepEqual(
    told.map(({ node, error }) => `${node === SECOND ? 'second' : 'primary'} ${error?.code ?? 'durable'}`).toSorted(),
    ['primary durable', 'primary durable', 'second UNAVAILABLE', 'second durable'],
  )
  await run(three)
  for (const { id, bytes } of chunks) assert.ok((await store.read(id)).equals(bytes))
})

test('a write that only stores waits for no memory of those that forward', async (context) => {
  const [one, two] = [sample(200 * KIB, 1), sample(200 * KIB, 2)]
  const { remote, store, settle } = await forwarding(context, { [SECOND]: hang }, { arrivingBytesMax: 300 * KIB })
  const stop = new AbortController()
  const slow = Array.fromAsync(remote.write(one.id, one.bytes, { forward: [SECOND], signal: stop.signal }))
  await settle()
  await Array.fromAsync(remote.write(two.id, two.bytes, { forward: [], signal: never }))
  assert.equal(await store.verify(two.id), 'intact')
  stop.abort()
  await rejectsWith('CANCELLED', slow)
})

test('a write that is cancelled, or whose caller is gone, is cancelled at the nodes it is forwarded to', async (context) => {
  for (const end of ['cancel', 'kill'] as const) {
    const { id, bytes } = sample(200 * KIB)
    const reasons: unknown[] = []
    const { remote, settle, peers } = await forwarding(context, {
      [SECOND]: (arriving, options) => {
        options.signal.addEventListener('abort', () => reasons.push(options.signal.reason))
        return hang(arriving, options)
      },
    })
    const stop = new AbortController()
    const outcomes = Array.fromAsync(remote.write(id, bytes, { forward: [SECOND], signal: stop.signal }))
    await settle()
    assert.deepEqual(reasons, [])
    if (end === 'cancel') stop.abort()
    else void peers.close()
    await rejectsWith(end === 'cancel' ? 'CANCELLED' : 'UNAVAILABLE', outcomes)
    await settle()
    assert.equal(reasons.length, 1, end)
  }
})

test('requests that make no sense are refused, and answers that make none are UNAVAILABLE: others may do better', async (context) => {
  const { peers, address } = await forwarding(context, {})
  const { id } = sample(10)
  const requests: readonly [string, object | null][] = [
    ['chunk.write', { id, size: 0 }],
    ['chunk.write', { id, size: 65 * KIB * KIB }],
    ['chunk.write', { id, size: 1, forward: ['nobody'] }],
    ['chunk.write', { id, size: 1, forward: Array.from({ length: 65 }, () => SECOND) }],
    ['chunk.write', { id, size: 1, crc32: 17 }],
    ['chunk.write', { id, size: 70_000, crc32: 'AAAAAA==' }],
    ['chunk.write', null],
    ['chunk.read', { id: 'abc' }],
    ['chunk.read', { id, offset: -1, length: 1 }],
    ['chunk.read', { id, offset: 0 }],
    ['chunk.locate', { id: 17 }],
    ['chunk.forget', { id, untouchedSinceMs: 'now' }],
    ['chunk.list', { limit: 1_001 }],
    ['chunk.list', { limit: 1, from: 'abc' }],
  ]
  for (const [method, header] of requests) {
    await rejectsWith('INVALID_ARGUMENT', peers.call(address, method, { header: header as never, body: [Buffer.alloc(1)] }))
  }
  const lying = await simulatePair(
    Object.fromEntries(
      ['write', 'read', 'locate', 'verify', 'list', 'usage'].map((name) => [
        `chunk.${name}`,
        { handle: async () => ({ header: { size: 'much' }, body: [Buffer.from('{"node":17}\n')] }) },
      ]),
    ),
  )
  const remote = remoteOf(lying.peers, lying)
  await rejectsWith('UNAVAILABLE', Array.fromAsync(remote.write(id, Buffer.alloc(1), { forward: [SECOND], signal: never })))
  await rejectsWith('UNAVAILABLE', remote.read(id, { range: undefined, signal: never }))
  await rejectsWith('UNAVAILABLE', remote.locate(id, never))
  await rejectsWith('UNAVAILABLE', remote.verify(id, never))
  await rejectsWith('UNAVAILABLE', remote.list({ from: undefined, limit: 5, signal: never }))
  await rejectsWith('UNAVAILABLE', remote.usage(never))
  await lying.peers.close()
})
