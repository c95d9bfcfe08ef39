import { matchChecksums } from '#chunk/digest-chunk.ts'
import type { ChunkInfo, ChunkStore, ChunkUsage } from '#chunk/store.ts'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Digests } from '#platform/digests.ts'
import { ArrivingChunk } from './arriving-chunk.ts'
import { asShoalError } from './as-shoal-error.ts'
import type {
  ChunkBytes,
  ChunkPeers,
  CopyOutcome,
  RemoteChunks,
  PullResult,
  RemoteListOptions,
  RemotePullOptions,
  RemoteReadOptions,
  RemoteWriteOptions,
} from './peers.ts'

/** What says that a node has no intact copy to give. */
const UNREADABLE: ReadonlySet<ErrorCode> = new Set(['CHUNK_MISSING', 'CORRUPT'])

export interface HolderOptions {
  readonly store: ChunkStore
  readonly peers: ChunkPeers
  readonly digests: Pick<Digests, 'sha256' | 'blockChecksums'>
  /** The bytes of a write come from the memory that their id was computed of. Unless they do, they are checked. */
  readonly areWritesTrusted?: boolean
}

/** What a node does with its own chunks for itself and, behind a wire, for others. */
export class Holder implements RemoteChunks {
  readonly #store: ChunkStore
  readonly #peers: ChunkPeers
  readonly #digests: HolderOptions['digests']
  readonly #areWritesTrusted: boolean

  constructor({ store, peers, digests, areWritesTrusted = false }: HolderOptions) {
    this.#store = store
    this.#peers = peers
    this.#digests = digests
    this.#areWritesTrusted = areWritesTrusted
  }

  async *write(id: ChunkId, bytes: ChunkBytes, { forward, checksums, signal }: RemoteWriteOptions): AsyncIterable<CopyOutcome> {
    const open = new Map<NodeId, Promise<CopyOutcome>>()
    for (const node of forward) open.set(node, this.#forward(node, { id, bytes, checksums, signal }))
    open.set(this.#peers.self, this.#keep(id, bytes, checksums))
    while (open.size > 0) {
      const outcome = await Promise.race(open.values())
      open.delete(outcome.node)
      yield outcome
    }
  }

  read(id: ChunkId, { range, into }: RemoteReadOptions): Promise<Buffer> {
    return this.#store.read(id, range, into)
  }

  locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    return this.#store.locate(id)
  }

  forget(id: ChunkId, { untouchedSinceMs }: { readonly untouchedSinceMs?: number }): Promise<boolean> {
    return this.#store.forget(id, untouchedSinceMs === undefined ? {} : { untouchedSinceMs })
  }

  verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    return this.#store.verify(id)
  }

  async pull(id: ChunkId, { from, signal }: Omit<RemotePullOptions, 'sizeBytes'>): Promise<PullResult> {
    let bytes: Buffer
    try {
      bytes = await this.#peers.store(from).read(id, { range: undefined, signal })
    } catch (error) {
      signal.throwIfAborted()
      return UNREADABLE.has(asShoalError(error).code) ? 'unreadable' : 'unreachable'
    }
    if (!(await isIntact(this.#digests, id, bytes))) return 'unreadable'
    await this.#store.write(id, bytes)
    return 'stored'
  }

  async list({ from, limit }: RemoteListOptions): Promise<readonly ChunkInfo[]> {
    const chunks: ChunkInfo[] = []
    for await (const chunk of this.#store.list(from)) {
      chunks.push(chunk)
      if (chunks.length >= limit) break
    }
    return chunks
  }

  usage(): Promise<ChunkUsage> {
    return this.#store.usage()
  }

  async #keep(id: ChunkId, arriving: ChunkBytes, checksums: Buffer | undefined): Promise<CopyOutcome> {
    const node = this.#peers.self
    try {
      const bytes = arriving instanceof ArrivingChunk ? await arriving.whole() : arriving
      if (!this.#areWritesTrusted && !(await this.#isAsSent(id, bytes, checksums))) {
        return { node, error: new ShoalError('CORRUPT', `Chunk ${id} arrived with other bytes than it was sent with`) }
      }
      await this.#store.write(id, bytes, checksums)
      return { node, error: undefined }
    } catch (error) {
      return { node, error: asShoalError(error) }
    }
  }

  #isAsSent(id: ChunkId, bytes: Uint8Array, checksums: Buffer | undefined): Promise<boolean> {
    return checksums === undefined ? isIntact(this.#digests, id, bytes) : matchChecksums(this.#digests, bytes, checksums)
  }

  async #forward(
    node: NodeId,
    { id, bytes, ...options }: { id: ChunkId; bytes: ChunkBytes } & Omit<RemoteWriteOptions, 'forward'>,
  ): Promise<CopyOutcome> {
    try {
      for await (const outcome of this.#peers.store(node).write(id, bytes, { ...options, forward: [] })) return outcome
      throw new ShoalError('UNAVAILABLE', `Node ${node} didn't say what became of chunk ${id}`)
    } catch (error) {
      // Why it was given up says more than that it was.
      return { node, error: asShoalError(isShoalError(options.signal.reason) ? options.signal.reason : error) }
    }
  }
}

/** Whether `id` is the SHA-256 of the bytes. */
export async function isIntact(digests: Pick<Digests, 'sha256'>, id: ChunkId, bytes: Uint8Array): Promise<boolean> {
  return (await digests.sha256(bytes)).toString('hex') === id
}
