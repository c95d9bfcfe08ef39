import type { ByteRange, ChunkInfo, ChunkStore, ChunkUsage } from '#chunk/store.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import { copiesToAcknowledge } from '#placement/class-policy.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { ChunkRoom } from '#replication/chunk-memory.ts'
import { describeCopies } from '#replication/copy-states.ts'
import type { ChunkCopies } from '#replication/copy-states.ts'
import { EveryCopy } from '#replication/every-copy.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import { RepairQueue } from '#replication/repair-queue.ts'
import { ReplicatedChunkStore } from '#replication/replicated-store.ts'
import type { ReplicationLimits } from '#replication/replicated-store.ts'
import { replicationMetrics } from '#replication/replication-metrics.ts'
import type { ReplicationMetrics } from '#replication/replication-metrics.ts'
import { classOf, isSpread, layoutName } from '#system/system-view.ts'
import type { ClassRecord, SystemSource, SystemView } from '#system/system-view.ts'

/** How long a node has for an answer to a question. */
const CALL_MS = 5_000

export interface ReplicatedChunksOptions {
  readonly self: NodeId
  /** This node's own chunks. */
  readonly local: ChunkStore
  /** Where they are and those of the others. */
  readonly peers: ChunkPeers
  readonly records: SystemSource
  readonly clock: Clock
  readonly digests: Pick<Digests, 'sha256' | 'allocate'>
  readonly memory?: ChunkRoom | undefined
  readonly log: Log
  readonly metrics?: Metrics | undefined
  /** Those of `ReplicatedChunkStore` unless given. */
  readonly limits?: Partial<ReplicationLimits>
}

/** The chunks of the cluster, by class. As long as this node alone has chunks, every class that one copy is enough for is its own
 *  store, with nothing in between. */
export class ReplicatedChunks {
  /** All copies of all classes: for what collects garbage, checks and counts. */
  readonly all: ChunkStore
  /** What reads and writes of all classes have found to lack copies. */
  readonly repairs = new RepairQueue()
  readonly #options: ReplicatedChunksOptions
  readonly #metrics: ReplicationMetrics
  readonly #classes = new Map<string, ClassChunks>()
  readonly #every: EveryCopy

  constructor(options: ReplicatedChunksOptions) {
    const { metrics } = options
    this.#options = options
    this.#metrics = replicationMetrics(metrics)
    const layouts = (): readonly LayoutPair[] => [...options.records.view.layouts.values()]
    this.#every = new EveryCopy({ ...options, layouts, callMs: CALL_MS })
    this.all = new AllChunks(this, this.#every, options)
    metrics?.gauge({ name: 'shoal_repairs_waiting', help: 'Chunks that wait for a repair' }, () => this.repairs.size)
    const help = 'Repairs that found no place in the queue, and are left to the next comparison'
    metrics?.gauge({ name: 'shoal_repairs_deferred', help }, () => this.repairs.deferred)
  }

  /** Whether other nodes may have chunks, too. */
  get isSpread(): boolean {
    return isSpread(this.#options.records.view)
  }

  /** The chunks of a class, whatever becomes of it: of one that is gone, those of `default`. */
  of(name: string): ClassChunks {
    const known = this.#classes.get(name)
    if (known !== undefined) return known
    const made = new ClassChunks(name, { ...this.#options, metrics: this.#metrics, repairs: this.repairs })
    this.#classes.set(name, made)
    return made
  }

  /** Waits for copies that are still under way. The local store stays open. */
  async stop(): Promise<void> {
    for (const chunks of this.#classes.values()) await chunks.close()
  }
}

/** What a class is made of while more than one node has chunks. */
interface ClassGroup {
  readonly record: ClassRecord
  readonly store: ReplicatedChunkStore
}

interface ClassOptions extends Omit<ReplicatedChunksOptions, 'metrics'> {
  readonly metrics: ReplicationMetrics
  readonly repairs: RepairQueue
}

/** The chunks of one class: in this node's own store, or on several nodes. */
export class ClassChunks implements ChunkStore {
  readonly #name: string
  readonly #options: ClassOptions
  readonly #earlier = new Set<Promise<void>>()
  #group: ClassGroup | undefined
  #seen: SystemView | undefined
  #alone: LayoutPair | undefined
  #store: ChunkStore

  constructor(name: string, options: ClassOptions) {
    this.#name = name
    this.#options = options
    this.#store = options.local
  }

  get group(): ClassGroup | undefined {
    return this.#group
  }

  write(id: ChunkId, bytes: Uint8Array, checksums?: Buffer): Promise<void> {
    return this.#current().write(id, bytes, checksums)
  }

  read(id: ChunkId, range?: ByteRange, into?: Buffer): Promise<Buffer> {
    return this.#current().read(id, range, into)
  }

  locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    return this.#current().locate(id)
  }

  forget(id: ChunkId, options?: { untouchedSinceMs?: number }): Promise<boolean> {
    return this.#current().forget(id, options)
  }

  verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    return this.#current().verify(id)
  }

  list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    return this.#current().list(from)
  }

  usage(): Promise<ChunkUsage> {
    return this.#current().usage()
  }

  /** Where the copies of a chunk are, and on their way. */
  async copies(id: ChunkId): Promise<ChunkCopies> {
    const { self, local, records } = this.#options
    if (this.#current() === this.#group?.store) return this.#group.store.copies(id)
    const found = await local.locate(id)
    const here = new Set(found === undefined ? [] : [self])
    const [durable, damaged] = found?.isDamaged === true ? [new Set<NodeId>(), here] : [here, new Set<NodeId>()]
    const { copies } = classOf(records.view, this.#name)
    return describeCopies({ holders: [self], durable, arriving: new Set(), damaged, copies })
  }

  async close(): Promise<void> {
    await this.#group?.store.close()
    await Promise.all(this.#earlier)
  }

  #current(): ChunkStore {
    const { view } = this.#options.records
    if (view === this.#seen) return this.#store
    this.#seen = view
    this.#store = this.#choose(view)
    return this.#store
  }

  #choose(view: SystemView): ChunkStore {
    const { local, self } = this.#options
    const record = classOf(view, this.#name)
    if (isAlone(this.#pairOf(view, record), self) && copiesToAcknowledge(record) === 1) return local
    if (this.#group === undefined || !isSameClass(this.#group.record, record)) this.#replace(record)
    return this.#group?.store ?? local
  }

  #replace(record: ClassRecord): void {
    const before = this.#group
    const { records } = this.#options
    const layouts = (): LayoutPair => this.#pairOf(records.view, record)
    this.#group = { record, store: new ReplicatedChunkStore({ ...this.#options, layouts, policy: record }) }
    if (before !== undefined) this.#closeBehind(before.store)
  }

  /** Whoever has begun with it goes on. */
  #closeBehind(store: ReplicatedChunkStore): void {
    const closing = store.close().finally(() => this.#earlier.delete(closing))
    this.#earlier.add(closing)
  }

  /** The layouts of a class; while its own are being made, those of the class most like it. Before there are any, this node is alone. */
  #pairOf(view: SystemView, record: ClassRecord): LayoutPair {
    const own = view.layouts.get(layoutName(record))
    if (own !== undefined) return own
    const others = [...view.layouts.values()]
    const [nearest] = others.toSorted((a, b) => Math.abs(a.next.copies - record.copies) - Math.abs(b.next.copies - record.copies))
    const nodes = [{ id: this.#options.self, zone: 'zone', capacityBytes: 1, weight: 1 }]
    return nearest ?? (this.#alone ??= new LayoutPair(computeLayout({ nodes, copies: 1 })))
  }
}

function isAlone({ next, previous }: LayoutPair, self: NodeId): boolean {
  const nodes = [...next.nodes, ...(previous?.nodes ?? [])]
  return nodes.every(({ id }) => id === self)
}

function isSameClass(a: ClassRecord, b: ClassRecord): boolean {
  return a.copies === b.copies && a.ack === b.ack && a.zones === b.zones && a.name === b.name
}

/** The chunks of all classes, as one store. */
class AllChunks implements ChunkStore {
  readonly #chunks: ReplicatedChunks
  readonly #every: EveryCopy
  readonly #options: ReplicatedChunksOptions

  constructor(chunks: ReplicatedChunks, every: EveryCopy, options: ReplicatedChunksOptions) {
    this.#chunks = chunks
    this.#every = every
    this.#options = options
  }

  write(id: ChunkId, bytes: Uint8Array, checksums?: Buffer): Promise<void> {
    return this.#default.write(id, bytes, checksums)
  }

  read(id: ChunkId, range?: ByteRange, into?: Buffer): Promise<Buffer> {
    return this.#default.read(id, range, into)
  }

  locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    return this.#copies.locate(id)
  }

  verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    return this.#copies.verify(id)
  }

  forget(id: ChunkId, options?: { untouchedSinceMs?: number }): Promise<boolean> {
    return this.#copies.forget(id, options)
  }

  list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    return this.#copies.list(from)
  }

  usage(): Promise<ChunkUsage> {
    return this.#copies.usage()
  }

  async close(): Promise<void> {}

  /** It finds what other classes have, too. */
  get #default(): ChunkStore {
    return this.#chunks.of('default')
  }

  get #copies(): Omit<ChunkStore, 'read' | 'write' | 'close'> {
    const { records, self, local } = this.#options
    return [...records.view.layouts.values()].every((pair) => isAlone(pair, self)) ? local : this.#every
  }
}
