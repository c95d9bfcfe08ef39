import type { ChunkInfo, ChunkUsage } from '#chunk/store.ts'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Digests } from '#platform/digests.ts'
import { isIntact } from '#replication/holder.ts'
import type { ChunkPeers, PullResult } from '#replication/peers.ts'
import type { Clock } from '#platform/clock.ts'
import type { CopyHealth, CopyOptions, Holders, ListOptions, RemoveOptions } from './ports.ts'

export interface RemoteHoldersOptions {
  readonly peers: ChunkPeers
  readonly clock: Clock
  readonly digests: Pick<Digests, 'sha256'>
  /** How long a question, and reading or writing a whole copy, may take. */
  readonly callMs?: number
  readonly copyMs?: number
}

/** A node that takes longer to answer is as good as down; 64 MiB take half a minute over 20 Mbit/s. */
const CALL_MS = 5_000
const COPY_MS = 30_000

/** After these this node may do better itself: the target can't reach the source, is of a release that pulls nothing, or said nothing. */
const BETTER_HERE: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'TIMEOUT', 'UNSUPPORTED'])

/** The chunks of the nodes over the calls of `replication`. Nodes copy among themselves: who is to have a chunk reads it where it is.
 *  What they can't do goes through this node, a chunk at a time. */
export class RemoteHolders implements Holders {
  readonly #options: RemoteHoldersOptions
  readonly #callMs: number
  readonly #copyMs: number

  constructor(options: RemoteHoldersOptions) {
    this.#options = options
    this.#callMs = options.callMs ?? CALL_MS
    this.#copyMs = options.copyMs ?? COPY_MS
  }

  list(node: NodeId, { from, limit, signal }: ListOptions): Promise<readonly ChunkInfo[]> {
    return this.#call(this.#callMs, signal, (within) => this.#store(node).list({ from, limit, signal: within }))
  }

  locate(node: NodeId, id: ChunkId, signal: AbortSignal): Promise<ChunkInfo | undefined> {
    return this.#call(this.#callMs, signal, (within) => this.#store(node).locate(id, within))
  }

  verify(node: NodeId, id: ChunkId, signal: AbortSignal): Promise<CopyHealth> {
    return this.#call(this.#copyMs, signal, (within) => this.#store(node).verify(id, within))
  }

  async copy(id: ChunkId, options: CopyOptions): Promise<boolean> {
    const { from, to } = options
    const { self } = this.#options.peers
    // What begins or ends here goes one way in any case.
    const result = from === self || to === self ? 'unreachable' : await this.#pull(id, options)
    return result === 'unreachable' ? this.#relay(id, options) : result === 'stored'
  }

  async #pull(id: ChunkId, { from, to, sizeBytes, signal }: CopyOptions): Promise<PullResult> {
    try {
      return await this.#call(this.#copyMs, signal, (within) => this.#store(to).pull(id, { from, sizeBytes, signal: within }))
    } catch (error) {
      signal.throwIfAborted()
      if (isShoalError(error) && BETTER_HERE.has(error.code)) return 'unreachable'
      throw error
    }
  }

  async #relay(id: ChunkId, { from, to, signal }: CopyOptions): Promise<boolean> {
    const bytes = await this.#readIntact(id, from, signal)
    if (bytes === undefined) return false
    await this.#call(this.#copyMs, signal, async (within) => {
      for await (const { error } of this.#store(to).write(id, bytes, { forward: [], signal: within })) {
        if (error !== undefined) throw error
      }
    })
    return true
  }

  remove(node: NodeId, id: ChunkId, { untouchedSinceMs, signal }: RemoveOptions): Promise<boolean> {
    return this.#call(this.#callMs, signal, (within) => this.#store(node).forget(id, { untouchedSinceMs, signal: within }))
  }

  usage(node: NodeId, signal: AbortSignal): Promise<ChunkUsage> {
    return this.#call(this.#callMs, signal, (within) => this.#store(node).usage(within))
  }

  #store(node: NodeId): ReturnType<ChunkPeers['store']> {
    return this.#options.peers.store(node)
  }

  async #readIntact(id: ChunkId, from: NodeId, signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      const bytes = await this.#call(this.#copyMs, signal, (within) => {
        return this.#store(from).read(id, { range: undefined, signal: within })
      })
      return (await isIntact(this.#options.digests, id, bytes)) ? bytes : undefined
    } catch {
      signal.throwIfAborted()
      return undefined
    }
  }

  async #call<T>(limitMs: number, signal: AbortSignal, call: (within: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const end = new AbortController()
    const { promise, reject } = Promise.withResolvers<never>()
    const giveUp = (error: unknown): void => {
      reject(error)
      end.abort(error)
    }
    const cancel = (): void => giveUp(new ShoalError('CANCELLED', 'The tracker has given up the call'))
    signal.addEventListener('abort', cancel, { once: true })
    const late = new AbortController()
    void this.#options.clock.sleep(limitMs, late.signal).then(
      () => giveUp(new ShoalError('UNAVAILABLE', `The node has not answered for ${limitMs} ms`)),
      () => {},
    )
    try {
      return await Promise.race([call(end.signal), promise])
    } finally {
      late.abort()
      signal.removeEventListener('abort', cancel)
    }
  }
}
