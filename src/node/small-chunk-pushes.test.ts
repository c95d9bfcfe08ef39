import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import type { IncomingCall } from '#wire/methods.ts'
import type { WirePeers } from '#wire/peers.ts'
import { sendSmallChunks, type SmallChunk, smallChunkMethods } from './small-chunk-calls.ts'
import { SmallChunkPushes } from './small-chunk-pushes.ts'

const [B, C] = ['b', 'c'].map((letter) => letter.repeat(32) as NodeId) as [NodeId, NodeId]
const chunkOf = (text: string): SmallChunk & { readonly bytes: Buffer } => {
  const bytes = Buffer.from(text)
  return { id: createHash('sha256').update(bytes).digest('hex') as ChunkId, bytes }
}
const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await setImmediate()
}

/** Pushes to two nodes that are asked nothing before `answer`. */
function world() {
  const clock = new ManualClock()
  const local = openMemoryChunkStore({ clock })
  const calls: { node: NodeId; chunks: readonly SmallChunk[]; answer: (taken: readonly boolean[] | ShoalError) => void }[] = []
  const alone: ChunkId[] = []
  const state = { isBusy: false, targets: [B, C] as readonly NodeId[] | undefined }
  const pushes = new SmallChunkPushes({
    local,
    targetsOf: () => state.targets,
    send: (node, chunks) =>
      new Promise((resolve, reject) => {
        const answer = (taken: readonly boolean[] | ShoalError) => (taken instanceof ShoalError ? reject(taken) : resolve(taken))
        calls.push({ node, chunks, answer })
      }),
    alone: (id) => void alone.push(id),
    isBusy: () => state.isBusy,
    clock,
    log: silentLog,
  })
  const offer = (text: string): ChunkId => {
    const { id, bytes } = chunkOf(text)
    pushes.offer(id, 'default', bytes)
    return id
  }
  const takeAll = async () => {
    for (const { chunks, answer } of calls.splice(0)) answer(chunks.map(() => true))
    await turns()
  }
  return { pushes, offer, calls, alone, state, clock, local, takeAll }
}

test('what is written while chunks are on their way goes together, in one call to each node', async () => {
  const { offer, calls, alone, takeAll, pushes } = world()
  const first = offer('first')
  await turns()
  const later = Array.from({ length: 100 }, (_, at) => offer(`later ${at}`))
  await turns()
  const seen = () => calls.map(({ node, chunks }) => [node, chunks.map(({ id }) => id)])
  assert.deepEqual(
    seen(),
    [B, C].map((node) => [node, [first]]),
  )
  await takeAll()
  assert.deepEqual(
    seen(),
    [B, C].map((node) => [node, later.slice(0, 64)]),
  )
  await takeAll()
  assert.deepEqual(
    seen(),
    [B, C].map((node) => [node, later.slice(64)]),
  )
  await takeAll()
  assert.deepEqual([calls, alone], [[], []])
  await pushes.stop()
})

test('what a node has not taken, or cannot be sent now, goes alone', async () => {
  const { offer, calls, alone, state } = world()
  const ids = [offer('taken'), offer('refused')]
  await turns()
  calls.find(({ node }) => node === B)?.answer([true, true])
  calls.find(({ node }) => node === C)?.answer([true, false])
  await turns()
  assert.deepEqual(alone.splice(0), [ids[1]])
  const lost = offer('lost')
  await turns()
  for (const { answer } of calls.splice(2)) answer(new ShoalError('UNAVAILABLE', 'Nobody is there'))
  await turns()
  assert.deepEqual(alone.splice(0), [lost])
  state.targets = undefined
  const unsent = offer('unsent')
  await turns()
  assert.deepEqual(alone, [unsent])
})

test('while the node takes many writes there is a pause before each call, and none when it is over', async () => {
  const { offer, calls, clock, state, takeAll } = world()
  state.isBusy = true
  for (let at = 0; at < 200; at += 1) offer(`chunk ${at}`)
  await turns()
  assert.equal(calls.length, 0)
  clock.advance(100)
  await turns()
  assert.equal(calls[0]?.chunks.length, 64)
  await takeAll()
  assert.equal(calls.length, 0)
  state.isBusy = false
  clock.advance(100)
  await turns()
  for (let call = 0; call < 2; call += 1) await takeAll()
  assert.equal(calls[0]?.chunks.length, 8)
})

/** A wire that is a call of the other node's methods. */
function wireTo(store: Parameters<typeof smallChunkMethods>[0], change: (bytes: Buffer) => Buffer = (bytes) => bytes) {
  const methods = smallChunkMethods(store)
  const call = async (_: unknown, method: string, { header, body }: { header: unknown; body: readonly Buffer[] }) => {
    const pieces = (async function* () {
      yield change(Buffer.concat(body))
    })()
    const answer = await methods[method]!.handle({ header, body: pieces } as unknown as IncomingCall)
    return { header: answer.header, body: { cancel: () => undefined } }
  }
  return { call } as unknown as Pick<WirePeers, 'call'>
}

test('chunks that come together are stored, each if it is what its id says, and none from a message that makes no sense', async () => {
  const address = { host: '127.0.0.1', port: 1, nodeId: B }
  const send = (wire: Pick<WirePeers, 'call'>, chunks: readonly SmallChunk[]) =>
    sendSmallChunks(wire, address, { chunks, signal: new AbortController().signal })
  const store = openMemoryChunkStore({ clock: new ManualClock() })
  const [one, two] = [chunkOf('one'), chunkOf('second')]
  assert.deepEqual(await send(wireTo(store), [one, two]), [true, true])
  assert.deepEqual(await store.read(two.id), two.bytes)
  const bent = openMemoryChunkStore({ clock: new ManualClock() })
  const flip = (bytes: Buffer): Buffer => {
    bytes[0] = 0
    return bytes
  }
  assert.deepEqual(await send(wireTo(bent, flip), [one, two]), [false, true])
  assert.equal(await bent.locate(one.id), undefined)
  await assert.rejects(
    send(
      wireTo(store, (bytes) => bytes.subarray(1)),
      [one],
    ),
    { code: 'INVALID_ARGUMENT' },
  )
  const full = { write: () => Promise.reject(new ShoalError('NO_SPACE', 'Full')) }
  assert.deepEqual(await send(wireTo(full), [one]), [false])
})
