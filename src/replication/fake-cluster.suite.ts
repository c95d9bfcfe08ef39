import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ByteRange, ChunkInfo, ChunkStore, ChunkUsage } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { blockChecksums } from '#platform/block-checksums.ts'
import type { Digests } from '#platform/digests.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { Holder } from './holder.ts'
import type {
  ChunkBytes,
  ChunkPeers,
  CopyOutcome,
  PullResult,
  RemoteChunks,
  RemotePullOptions,
  RemoteReadOptions,
  RemoteWriteOptions,
} from './peers.ts'

export const TEST_DIGESTS: Pick<Digests, 'sha256' | 'blockChecksums' | 'allocate'> = {
  allocate: (sizeBytes) => Buffer.alloc(sizeBytes),
  sha256: async (bytes) => createHash('sha256').update(bytes).digest(),
  blockChecksums: async (bytes, blockBytes, kind) => blockChecksums(bytes, blockBytes, kind),
}

/** A store in memory whose chunks can be damaged. As on the disk, a write of a damaged chunk stores it anew. */
class DamageableStore implements ChunkStore {
  readonly damaged = new Set<ChunkId>()
  readonly #inner: ChunkStore

  constructor(inner: ChunkStore) {
    this.#inner = inner
  }

  async write(id: ChunkId, bytes: Uint8Array): Promise<void> {
    if (this.damaged.has(id)) await this.#inner.forget(id)
    await this.#inner.write(id, bytes)
    this.damaged.delete(id)
  }

  async read(id: ChunkId, range?: ByteRange): Promise<Buffer> {
    if (this.damaged.has(id)) throw new ShoalError('CORRUPT', `Chunk ${id} is damaged`)
    return this.#inner.read(id, range)
  }

  async locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    const info = await this.#inner.locate(id)
    return info !== undefined && this.damaged.has(id) ? { ...info, isDamaged: true } : info
  }

  forget(id: ChunkId, options?: { untouchedSinceMs?: number }): Promise<boolean> {
    this.damaged.delete(id)
    return this.#inner.forget(id, options)
  }

  async verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    return this.damaged.has(id) ? 'corrupt' : this.#inner.verify(id)
  }

  list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    return this.#inner.list(from)
  }

  usage(): Promise<ChunkUsage> {
    return this.#inner.usage()
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

/** One node: what it has, and what is wrong with it. */
export class FakeNode {
  readonly id: NodeId
  isUp = true
  /** What membership says of it; a node that has just died is still thought to be healthy. */
  isThoughtHealthy = true
  /** What operators say of it. */
  isReadonly = false
  /** Before each answer. */
  delayMs = 0
  /** Whom it can't reach. */
  readonly unreachable = new Set<NodeId>()
  /** Answers every write with it. */
  refusal: ErrorCode | undefined
  /** Sends other bytes than it has. */
  garbles = false
  /** False for one of an earlier release. */
  knowsPull = true
  pulls = 0
  reads = 0
  writes = 0
  store: DamageableStore
  readonly #clock: ManualClock

  constructor(id: NodeId, clock: ManualClock) {
    this.id = id
    this.#clock = clock
    this.store = new DamageableStore(openMemoryChunkStore({ clock }))
  }

  /** Its disk is gone. */
  loseEverything(): void {
    this.store = new DamageableStore(openMemoryChunkStore({ clock: this.#clock }))
  }

  has(id: ChunkId): Promise<boolean> {
    return this.store.verify(id).then((health) => health === 'intact')
  }
}

/** Nodes in memory that reach each other over a wire with delays and faults. */
export class FakeCluster {
  readonly clock: ManualClock
  readonly #nodes: ReadonlyMap<NodeId, FakeNode>

  constructor(ids: readonly NodeId[], clock = new ManualClock()) {
    this.clock = clock
    this.#nodes = new Map(ids.map((id) => [id, new FakeNode(id, clock)]))
  }

  get nodes(): FakeNode[] {
    return [...this.#nodes.values()]
  }

  node(id: NodeId | undefined): FakeNode {
    const node = id === undefined ? undefined : this.#nodes.get(id)
    if (node === undefined) throw new ShoalError('UNAVAILABLE', `There is no node ${id}`)
    return node
  }

  peersOf(self: NodeId): ChunkPeers {
    const peers: ChunkPeers = {
      self,
      store: (id) => new FakeRemote(this, { from: self, to: id }),
      isHealthy: (id) => this.node(id).isThoughtHealthy,
      takesChunks: (id) => !this.node(id).isReadonly,
      members: () => [...this.#nodes.keys()],
    }
    return peers
  }

  /** The intact copies of a chunk. */
  async holdersOf(id: ChunkId): Promise<NodeId[]> {
    const found = await Promise.all(this.nodes.map(async (node) => ((await node.has(id)) ? [node.id] : [])))
    return found.flat()
  }

  /** Lets time pass until the promise is settled. */
  async settle<T>(promise: Promise<T>, stepMs = 10): Promise<T> {
    let isSettled = false
    void Promise.allSettled([promise]).then(() => {
      isSettled = true
    })
    await turn()
    while (!isSettled) {
      this.clock.advance(stepMs)
      await turn()
    }
    return promise
  }

  async pass(ms: number, stepMs = 10): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      await turn()
      this.clock.advance(stepMs)
    }
    await turn()
  }
}

class FakeRemote implements RemoteChunks {
  readonly #cluster: FakeCluster
  readonly #from: NodeId
  readonly #to: NodeId

  constructor(cluster: FakeCluster, { from, to }: { from: NodeId; to: NodeId }) {
    this.#cluster = cluster
    this.#from = from
    this.#to = to
  }

  async *write(id: ChunkId, bytes: ChunkBytes, options: RemoteWriteOptions): AsyncIterable<CopyOutcome> {
    const node = this.#cluster.node(this.#to)
    node.writes += 1
    await this.#arrive(options.signal)
    if (node.refusal !== undefined) {
      yield { node: node.id, error: new ShoalError(node.refusal, 'The test says so') }
      // What it was to forward it leaves undone, as a node does that dies of it.
      return
    }
    for await (const outcome of this.#holder().write(id, bytes, options)) {
      this.#checkUp()
      yield outcome
    }
  }

  async read(id: ChunkId, options: RemoteReadOptions): Promise<Buffer> {
    const node = this.#cluster.node(this.#to)
    node.reads += 1
    const bytes = await this.#call(options.signal, () => this.#holder().read(id, options))
    if (node.garbles) bytes[0] = (bytes[0] ?? 0) ^ 1
    return bytes
  }

  locate(id: ChunkId, signal: AbortSignal): Promise<ChunkInfo | undefined> {
    return this.#call(signal, () => this.#holder().locate(id))
  }

  forget(id: ChunkId, options: { untouchedSinceMs?: number; signal: AbortSignal }): Promise<boolean> {
    return this.#call(options.signal, () => this.#holder().forget(id, options))
  }

  verify(id: ChunkId, signal: AbortSignal): Promise<'intact' | 'corrupt' | 'missing'> {
    return this.#call(signal, () => this.#holder().verify(id))
  }

  pull(id: ChunkId, options: RemotePullOptions): Promise<PullResult> {
    const node = this.#cluster.node(this.#to)
    return this.#call(options.signal, async () => {
      if (!node.knowsPull) throw new ShoalError('UNSUPPORTED', 'The test says so')
      if (node.refusal !== undefined) throw new ShoalError(node.refusal, 'The test says so')
      node.pulls += 1
      return this.#holder().pull(id, options)
    })
  }

  list(options: Parameters<RemoteChunks['list']>[0]): ReturnType<RemoteChunks['list']> {
    return this.#call(options.signal, () => this.#holder().list(options))
  }

  usage(signal: AbortSignal): Promise<ChunkUsage> {
    return this.#call(signal, () => this.#holder().usage())
  }

  #holder(): Holder {
    const { store } = this.#cluster.node(this.#to)
    const areWritesTrusted = this.#from === this.#to
    return new Holder({ store, peers: this.#cluster.peersOf(this.#to), digests: TEST_DIGESTS, areWritesTrusted })
  }

  async #call<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    await this.#arrive(signal)
    const result = await call()
    this.#checkUp()
    return result
  }

  async #arrive(signal: AbortSignal): Promise<void> {
    this.#checkUp()
    const { delayMs } = this.#cluster.node(this.#to)
    if (delayMs > 0) await this.#cluster.clock.sleep(delayMs, signal)
    this.#checkUp()
  }

  #checkUp(): void {
    if (this.#cluster.node(this.#from).unreachable.has(this.#to))
      throw new ShoalError('UNAVAILABLE', `Node ${this.#to} is cut off`)
    for (const id of [this.#from, this.#to]) {
      if (!this.#cluster.node(id).isUp) throw new ShoalError('UNAVAILABLE', `Node ${id} is down`)
    }
  }
}
