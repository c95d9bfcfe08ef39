import type { ChunkStore } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { IncomingCall, WireAnswer, WireMethods } from '#wire/methods.ts'
import { Alarms } from './alarms.ts'
import { ArrivingChunk } from './arriving-chunk.ts'
import { ByteRoom } from './byte-room.ts'
import type { Claim } from './byte-room.ts'
import {
  decodeForget,
  decodeId,
  decodeList,
  decodePull,
  decodeRead,
  decodeWrite,
  encodeInfo,
  encodeInfos,
  encodeUsage,
} from './chunk-calls.ts'
import type { WriteRequest } from './chunk-calls.ts'
import { openPieces } from './chunk-pieces.ts'
import { ChunkMemory } from './chunk-memory.ts'
import type { ChunkRoom } from './chunk-memory.ts'
import { Holder } from './holder.ts'
import { OutcomeLines } from './outcome-lines.ts'
import type { ChunkPeers, CopyOutcome } from './peers.ts'

export interface ChunkMethodLimits {
  /** Memory for chunks that arrive, those to be forwarded and the others each: whoever only stores waits for no other node, so
   *  that nodes which wait for each other always go on. Two of the largest chunks. */
  readonly arrivingBytesMax: number
  /** Memory for chunks that are read from other nodes to be kept here. It is one of the largest chunks, and nobody else's, so that
   *  no write waits for a repair. */
  readonly pulledBytesMax: number
  /** Memory for bytes on their way out. */
  readonly leavingBytesMax: number
  /** Calls that wait for such memory. */
  readonly waitingMax: number
  /** How long a copy may come after the one here when its memory is needed: then it is reported as failed. */
  readonly lagMs: number
}

const LIMITS: ChunkMethodLimits = {
  arrivingBytesMax: 128 * 1024 * 1024,
  pulledBytesMax: 64 * 1024 * 1024,
  leavingBytesMax: 128 * 1024 * 1024,
  waitingMax: 1_024,
  lagMs: 2_000,
}

/** What is so small is sent without asking for room: all the calls that a node answers at a time have 256 MiB at most. */
const FREE_BYTES_MAX = 64 * 1024

export interface ChunkMethodsOptions {
  /** This node's own chunks. */
  readonly store: ChunkStore
  /** Who else is there, to forward to. */
  readonly peers: ChunkPeers
  readonly digests: Pick<Digests, 'sha256' | 'blockChecksums' | 'allocate'>
  readonly clock: Clock
  /** Its own unless given. */
  readonly memory?: ChunkRoom | undefined
  readonly limits?: Partial<ChunkMethodLimits>
}

/** The calls about chunks, as docs/formats/chunk-calls.md describes them: what `WireChunkPeers` of other nodes calls. */
export function chunkMethods(options: ChunkMethodsOptions): WireMethods {
  const calls = new ChunkCalls(options)
  const { store } = options
  const holder = calls.holder
  return {
    'chunk.write': { handle: (call) => calls.write(call) },
    'chunk.read': { handle: (call) => calls.read(call) },
    'chunk.locate': {
      handle: async ({ header }) => {
        const info = await store.locate(decodeId(header))
        return info === undefined ? {} : { header: encodeInfo(info) }
      },
    },
    'chunk.forget': {
      handle: async ({ header }) => {
        const { id, untouchedSinceMs } = decodeForget(header)
        return { header: await holder.forget(id, untouchedSinceMs === undefined ? {} : { untouchedSinceMs }) }
      },
    },
    'chunk.verify': { handle: async ({ header }) => ({ header: await store.verify(decodeId(header)) }) },
    'chunk.pull': { handle: (call) => calls.pull(call) },
    'chunk.list': {
      handle: async ({ header, signal }) => ({ body: encodeInfos(await holder.list({ ...decodeList(header), signal })) }),
    },
    'chunk.usage': { handle: async () => ({ header: encodeUsage(await store.usage()) }) },
  }
}

interface ArrivingWrite {
  readonly call: IncomingCall
  readonly claim: Claim
  readonly request: WriteRequest
}

class ChunkCalls {
  readonly holder: Holder
  readonly #options: ChunkMethodsOptions
  readonly #limits: ChunkMethodLimits
  readonly #memory: ChunkRoom
  readonly #alarms: Alarms
  readonly #toForward: ByteRoom
  readonly #toStore: ByteRoom
  readonly #toPull: ByteRoom
  readonly #leaving: ByteRoom

  constructor(options: ChunkMethodsOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.holder = new Holder(options)
    this.#memory = options.memory ?? new ChunkMemory(options.digests)
    this.#alarms = new Alarms(options.clock)
    const { arrivingBytesMax, pulledBytesMax, leavingBytesMax, waitingMax } = this.#limits
    this.#toForward = new ByteRoom({ bytesMax: arrivingBytesMax, waitingMax })
    this.#toStore = new ByteRoom({ bytesMax: arrivingBytesMax, waitingMax })
    this.#toPull = new ByteRoom({ bytesMax: pulledBytesMax, waitingMax })
    this.#leaving = new ByteRoom({ bytesMax: leavingBytesMax, waitingMax })
  }

  async write(call: IncomingCall): Promise<WireAnswer> {
    const request = decodeWrite(call.header)
    const isLeaf = request.forward.length === 0
    const claim = await (isLeaf ? this.#toStore : this.#toForward).take(request.sizeBytes, call.signal)
    const arriving = new ArrivingChunk(request.id, this.#memory.take(request.sizeBytes))
    void arriving.fill(call.body)
    return isLeaf ? this.#store(arriving, { call, claim, request }) : this.#storeAndForward(arriving, { call, claim, request })
  }

  async #store(arriving: ArrivingChunk, { call: { signal }, claim, request }: ArrivingWrite): Promise<WireAnswer> {
    const { checksums } = request
    try {
      for await (const { error } of this.holder.write(arriving.id, arriving, { forward: [], checksums, signal })) {
        if (error !== undefined) throw error
      }
      this.#memory.giveBack(await arriving.whole())
      return {}
    } finally {
      claim.release()
    }
  }

  #storeAndForward(arriving: ArrivingChunk, { call, claim, request }: ArrivingWrite): WireAnswer {
    const { self } = this.#options.peers
    const stop = new AbortController()
    // `AbortSignal.any` takes as long as all the rest of a small write.
    call.signal.addEventListener('abort', () => stop.abort(call.signal.reason), { once: true })
    if (call.signal.aborted) stop.abort(call.signal.reason)
    const forward = request.forward.filter((node) => node !== self)
    const lines = new OutcomeLines()
    const { checksums } = request
    const written = this.holder.write(arriving.id, arriving, { forward, checksums, signal: stop.signal })
    const outcomes = this.#watchLag(this.#reusing(arriving, written), { claim, stop })
    void lines.fill(outcomes).then(() => claim.release())
    return { body: lines }
  }

  /** Takes the memory back once all copies are durable. After anything else a socket or a thread may still be at it. */
  async *#reusing(arriving: ArrivingChunk, outcomes: AsyncIterable<CopyOutcome>): AsyncGenerator<CopyOutcome> {
    let isComplete = true
    for await (const outcome of outcomes) {
      if (outcome.error !== undefined) isComplete = false
      yield outcome
    }
    if (isComplete) this.#memory.giveBack(await arriving.whole())
  }

  /** Once the copy here has come to its end, the others have `lagMs` before their memory may go to others. */
  async *#watchLag(
    outcomes: AsyncIterable<CopyOutcome>,
    { claim, stop }: { claim: Claim; stop: AbortController },
  ): AsyncGenerator<CopyOutcome> {
    const { lagMs } = this.#limits
    let callOff = (): void => {}
    const giveUp = (): void =>
      stop.abort(new ShoalError('UNAVAILABLE', `The node took more than ${lagMs} ms longer than the one that forwards to it`))
    for await (const outcome of outcomes) {
      yield outcome
      if (outcome.node === this.#options.peers.self) callOff = this.#alarms.set(lagMs, () => claim.spare(giveUp))
    }
    callOff()
  }

  async pull({ header, signal }: IncomingCall): Promise<WireAnswer> {
    const { id, sizeBytes, from } = decodePull(header)
    const claim = await this.#toPull.take(sizeBytes, signal)
    try {
      return { header: await this.holder.pull(id, { from, signal }) }
    } finally {
      claim.release()
    }
  }

  async read(call: IncomingCall): Promise<WireAnswer> {
    const pieces = await openPieces(this.#options.store, decodeRead(call.header))
    const header = { size: pieces.sizeBytes }
    const source = pieces.read()
    if (pieces.sizeBytes <= FREE_BYTES_MAX) return { header, body: await Array.fromAsync(source) }
    const claim = await this.#leaving.take(pieces.memoryBytes, call.signal)
    // A body that nobody begins to read is never told so.
    call.signal.addEventListener('abort', () => claim.release(), { once: true })
    if (call.signal.aborted) claim.release()
    try {
      return { header, body: withFirst(await source.next(), source, claim) }
    } catch (error) {
      claim.release()
      throw error
    }
  }
}

/** What was read ahead, then the rest. */
async function* withFirst(first: IteratorResult<Buffer>, source: AsyncGenerator<Buffer>, claim: Claim): AsyncGenerator<Buffer> {
  try {
    if (first.done !== true) yield first.value
    yield* source
  } finally {
    claim.release()
  }
}
