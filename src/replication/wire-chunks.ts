import { MAX_CHUNK_BYTES } from '#chunk/store.ts'
import type { ChunkInfo, ChunkStore, ChunkUsage } from '#chunk/store.ts'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Digests } from '#platform/digests.ts'
import type { WireReply } from '#wire/caller-connection.ts'
import type { WireHeader } from '#wire/messages.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { PeerCallOptions, WirePeers } from '#wire/peers.ts'
import { ArrivingChunk } from './arriving-chunk.ts'
import { asShoalError } from './as-shoal-error.ts'
import {
  callDeadlineMs,
  decodeInfo,
  decodeInfos,
  decodeOutcomes,
  decodePullAnswer,
  decodeReadAnswer,
  decodeUsage,
  encodeForget,
  encodeId,
  encodeList,
  encodePull,
  encodeRead,
  encodeWrite,
  nonsense,
} from './chunk-calls.ts'
import { Holder } from './holder.ts'
import type {
  ChunkBytes,
  ChunkPeers,
  CopyOutcome,
  PullResult,
  RemoteChunks,
  RemoteListOptions,
  RemotePullOptions,
  RemoteReadOptions,
  RemoteWriteOptions,
} from './peers.ts'

export interface WireChunkPeersOptions {
  readonly self: NodeId
  readonly wire: Pick<WirePeers, 'call'>
  /** Where a node is called; `undefined` for one that nobody knows, or that was removed. */
  readonly addressOf: (node: NodeId) => PeerAddress | undefined
  /** This node's own chunks. */
  readonly store: ChunkStore
  readonly isHealthy: (node: NodeId) => boolean
  /** Every node does unless given. */
  readonly takesChunks?: (node: NodeId) => boolean
  /** Those of the layouts unless given. */
  readonly members?: () => readonly NodeId[]
  readonly digests: Pick<Digests, 'sha256' | 'blockChecksums' | 'allocate'>
}

/** After these the copy may be there or not. */
const SAYS_NOTHING: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'TIMEOUT', 'CANCELLED'])

/** The chunks of the other nodes over the wire, and those of this one without it. */
export class WireChunkPeers implements ChunkPeers {
  readonly self: NodeId
  readonly #options: WireChunkPeersOptions
  readonly #own: Holder

  constructor(options: WireChunkPeersOptions) {
    this.#options = options
    this.self = options.self
    this.#own = new Holder({ store: options.store, peers: this, digests: options.digests, areWritesTrusted: true })
  }

  store(node: NodeId): RemoteChunks {
    return node === this.self ? this.#own : new WireChunks(node, this.#options)
  }

  isHealthy(node: NodeId): boolean {
    return this.#options.isHealthy(node)
  }

  takesChunks(node: NodeId): boolean {
    return this.#options.takesChunks?.(node) ?? true
  }

  members(): readonly NodeId[] {
    return this.#options.members?.() ?? []
  }
}

interface CallOptions extends Pick<PeerCallOptions, 'body' | 'isIdempotent'> {
  readonly header: WireHeader
  readonly signal: AbortSignal
  /** What moves, over the wire or on the other node's disk. */
  readonly sizeBytes: number
}

/** The chunks of one other node. */
class WireChunks implements RemoteChunks {
  readonly #node: NodeId
  readonly #options: WireChunkPeersOptions

  constructor(node: NodeId, options: WireChunkPeersOptions) {
    this.#node = node
    this.#options = options
  }

  async *write(id: ChunkId, bytes: ChunkBytes, { forward, checksums, signal }: RemoteWriteOptions): AsyncIterable<CopyOutcome> {
    const isArriving = bytes instanceof ArrivingChunk
    const sizeBytes = isArriving ? bytes.sizeBytes : bytes.length
    const header = encodeWrite({ id, sizeBytes, forward, checksums })
    const call = this.#call('chunk.write', { header, body: isArriving ? bytes.pieces() : [bytes], signal, sizeBytes })
    // A node that forwards nothing has nothing to tell but that it is done, or why not.
    if (forward.length === 0) yield await this.#outcomeOf(call)
    else yield* this.#outcomesOf(call, 1 + forward.length)
  }

  /** The last one is told of at the end of the answer: whoever has heard of all copies cancels what is under way, and nothing is. */
  async *#outcomesOf(call: Promise<WireReply>, copies: number): AsyncGenerator<CopyOutcome> {
    const { body } = await call
    let last: CopyOutcome | undefined
    let told = 0
    for await (const outcome of this.#understood('chunk.write', decodeOutcomes(body))) {
      told += 1
      if (told < copies) yield outcome
      else last = outcome
    }
    if (last !== undefined) yield last
  }

  async #outcomeOf(call: Promise<WireReply>): Promise<CopyOutcome> {
    try {
      ;(await call).body.cancel()
      return { node: this.#node, error: undefined }
    } catch (error) {
      const known = asShoalError(error)
      if (SAYS_NOTHING.has(known.code)) throw known
      return { node: this.#node, error: known }
    }
  }

  async read(id: ChunkId, { range, signal }: RemoteReadOptions): Promise<Buffer> {
    const sizeBytes = range?.length ?? MAX_CHUNK_BYTES
    const { header, body } = await this.#call('chunk.read', { header: encodeRead({ id, range }), signal, sizeBytes })
    const arriving = await this.#understand('chunk.read', () => {
      const announcedBytes = decodeReadAnswer(header)
      if (range !== undefined && range.length !== announcedBytes) throw nonsense('the answer to a read')
      return new ArrivingChunk(id, this.#options.digests.allocate(announcedBytes))
    }).catch((error: unknown) => {
      body.cancel()
      throw error
    })
    await arriving.fill(body)
    return this.#understand('chunk.read', () => arriving.whole())
  }

  async locate(id: ChunkId, signal: AbortSignal): Promise<ChunkInfo | undefined> {
    const { header } = await this.#ask('chunk.locate', { header: encodeId(id), signal, sizeBytes: 0 })
    return this.#understand('chunk.locate', () => (header === null ? undefined : decodeInfo(header)))
  }

  async forget(id: ChunkId, options: { readonly untouchedSinceMs?: number; readonly signal: AbortSignal }): Promise<boolean> {
    const { signal, untouchedSinceMs } = options
    const { header } = await this.#ask('chunk.forget', { header: encodeForget({ id, untouchedSinceMs }), signal, sizeBytes: 0 })
    return header === true
  }

  async verify(id: ChunkId, signal: AbortSignal): Promise<'intact' | 'corrupt' | 'missing'> {
    const { header } = await this.#ask('chunk.verify', { header: encodeId(id), signal, sizeBytes: MAX_CHUNK_BYTES })
    return this.#understand('chunk.verify', () => {
      if (header !== 'intact' && header !== 'corrupt' && header !== 'missing') throw nonsense('the answer to a verification')
      return header
    })
  }

  async pull(id: ChunkId, { from, sizeBytes, signal }: RemotePullOptions): Promise<PullResult> {
    // It is read there, and written.
    const options = { header: encodePull({ id, sizeBytes, from }), signal, sizeBytes: 2 * sizeBytes }
    const { header } = await this.#ask('chunk.pull', options)
    return this.#understand('chunk.pull', () => decodePullAnswer(header))
  }

  async list({ from, limit, signal }: RemoteListOptions): Promise<readonly ChunkInfo[]> {
    const options = { header: encodeList({ from, limit }), signal, sizeBytes: 0, isIdempotent: true }
    const { body } = await this.#call('chunk.list', options)
    return this.#understand('chunk.list', () => decodeInfos(body, limit))
  }

  async usage(signal: AbortSignal): Promise<ChunkUsage> {
    const { header } = await this.#ask('chunk.usage', { header: null, signal, sizeBytes: 0, isIdempotent: true })
    return this.#understand('chunk.usage', () => decodeUsage(header))
  }

  /** A call that is answered with a header alone. */
  async #ask(method: string, options: CallOptions): Promise<WireReply> {
    const reply = await this.#call(method, options)
    reply.body.cancel()
    return reply
  }

  async #call(method: string, { sizeBytes, ...options }: CallOptions): Promise<WireReply> {
    const address = this.#options.addressOf(this.#node)
    if (address === undefined) throw new ShoalError('UNAVAILABLE', `Nobody knows where node ${this.#node} is`)
    try {
      return await this.#options.wire.call(address, method, {
        ...options,
        deadlineMs: callDeadlineMs(sizeBytes),
      })
    } catch (error) {
      throw this.#translated(method, error)
    }
  }

  /** What the answer says. */
  async #understand<T>(method: string, decode: () => T | Promise<T>): Promise<T> {
    try {
      return await decode()
    } catch (error) {
      throw this.#translated(method, error)
    }
  }

  async *#understood<T>(method: string, source: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* source
    } catch (error) {
      throw this.#translated(method, error)
    }
  }

  /** INVALID_ARGUMENT without a chunk is the protocol's, and speaks of that node: others may do better. */
  #translated(method: string, error: unknown): ShoalError {
    const known = asShoalError(error)
    if (!isShoalError(known, 'INVALID_ARGUMENT') || known.details['chunk'] !== undefined) return known
    return new ShoalError('UNAVAILABLE', `Node ${this.#node} can't be understood in "${method}": ${known.message}`, {
      cause: known,
    })
  }
}
