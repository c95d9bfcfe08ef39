import { checkRange, checkSize, storeClosed } from '#chunk/arguments.ts'
import { IdTurns } from '#chunk/id-turns.ts'
import { MAX_CHUNK_BYTES } from '#chunk/store.ts'
import type { ByteRange, ChunkInfo, ChunkStore, ChunkUsage } from '#chunk/store.ts'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { copiesToAcknowledge } from '#placement/class-policy.ts'
import type { ClassPolicy } from '#placement/class-policy.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { Alarms } from './alarms.ts'
import { ChunkMemory } from './chunk-memory.ts'
import type { ChunkRoom } from './chunk-memory.ts'
import { CopySearch } from './copy-search.ts'
import { describeCopies } from './copy-states.ts'
import type { ChunkCopies, KnownCopies } from './copy-states.ts'
import { CopyTargets, STAND_INS_MAX, settledHolders } from './copy-targets.ts'
import { limitedCall } from './limited-call.ts'
import { mergedList } from './merged-list.ts'
import type { ChunkPeers } from './peers.ts'
import { ReadTiming } from './read-timing.ts'
import type { RepairQueue } from './repair-queue.ts'
import { ReplicatedRead } from './replicated-read.ts'
import { ReplicatedWrite } from './replicated-write.ts'
import type { WriteLimits } from './replicated-write.ts'
import { replicationMetrics } from './replication-metrics.ts'
import type { ReplicationMetrics } from './replication-metrics.ts'

export interface ReplicationLimits extends WriteLimits {
  /** A node that takes longer to give a chunk is given up. */
  readonly readMs: number
  /** A node that takes longer to answer a question is given up. */
  readonly callMs: number
  /** What copies that come after the acknowledgement may keep in memory; past it they are left to the repair queue. */
  readonly backgroundBytesMax: number
}

/** A write takes 64 MiB at most over 100 Mbit/s to three nodes; a client gives up after a minute or so. */
const LIMITS: ReplicationLimits = {
  replaceAfterMs: 5_000,
  writeMs: 30_000,
  readMs: 10_000,
  callMs: 5_000,
  backgroundBytesMax: 256 * 1024 * 1024,
}

export interface ReplicatedStoreOptions {
  readonly peers: ChunkPeers
  readonly layouts: () => LayoutPair
  readonly policy: ClassPolicy
  readonly repairs: RepairQueue
  readonly clock: Clock
  readonly digests: Pick<Digests, 'sha256' | 'allocate'>
  /** Its own unless given. */
  readonly memory?: ChunkRoom | undefined
  /** Shared by the stores of all classes. */
  readonly metrics?: ReplicationMetrics | undefined
  readonly limits?: Partial<ReplicationLimits>
}

/** Keeps each chunk on several nodes, as one class asks. A write is acknowledged when as many copies are durable as the class
 *  says; what is lacking then goes to the repair queue. A read takes the first good answer.
 *
 *  Beside what `ChunkStore` promises: a node that can't be asked might have the chunk, so `read` and `locate` fail with UNAVAILABLE
 *  rather than call it missing, and so does `list`. `forget` removes the holders' copies that can be reached; those on nodes that
 *  are away, and those that stand in elsewhere, are garbage. A node's own store has as long as it takes.
 *  `usage` speaks of one copy of everything: sums divided by the copies of the class, exact when nothing lacks any. */
export class ReplicatedChunkStore implements ChunkStore {
  readonly #options: ReplicatedStoreOptions
  readonly #limits: ReplicationLimits
  readonly #memory: ChunkRoom
  readonly #search: CopySearch
  readonly #alarms: Alarms
  readonly #timing = new ReadTiming()
  readonly #metrics: ReplicationMetrics
  readonly #forgets = new IdTurns()
  readonly #writes = new Map<ChunkId, Set<ReplicatedWrite>>()
  #backgroundBytes = 0
  #isClosed = false

  constructor(options: ReplicatedStoreOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#memory = options.memory ?? new ChunkMemory(options.digests)
    this.#search = new CopySearch({ ...options, callMs: this.#limits.callMs })
    this.#alarms = new Alarms(options.clock)
    this.#metrics = options.metrics ?? replicationMetrics(undefined)
  }

  async write(id: ChunkId, bytes: Uint8Array, checksums?: Buffer): Promise<void> {
    await this.writeCopies(id, bytes, checksums)
  }

  /** As `write`, and tells what has become of the copies by the time of the acknowledgement.
   *  @throws UNAVAILABLE when fewer copies are durable than the class asks for: what was stored is garbage then */
  async writeCopies(id: ChunkId, bytes: Uint8Array, checksums?: Buffer): Promise<ChunkCopies> {
    this.#checkOpen()
    checkSize(id, bytes.length)
    const { peers, layouts, policy } = this.#options
    const pair = layouts()
    const targets = new CopyTargets(id, pair, peers)
    const needed = copiesToAcknowledge(policy)
    if (targets.first.length < needed) {
      throw new ShoalError(
        'UNAVAILABLE',
        `Class "${policy.name}" needs ${needed} copies of a chunk, and ${targets.first.length} nodes are there to take one`,
        {
          details: { needed, nodes: targets.first.length },
        },
      )
    }
    // Copies that come after the acknowledgement still need the bytes, and the caller wants its buffer back.
    const mayOutlive = needed < targets.first.length
    const kept = mayOutlive ? this.#memory.take(bytes.length) : undefined
    kept?.set(bytes)
    const write = new ReplicatedWrite({
      id,
      bytes: kept ?? bytes,
      checksums,
      targets,
      needed,
      peers,
      alarms: this.#alarms,
      limits: this.#limits,
    })
    this.#track(id, write)
    try {
      write.start()
      await write.acknowledged
      this.#goOnBehind(write, { id, pair, targets, kept, sizeBytes: bytes.length })
      return this.#describe(id, pair, { durable: write.durable, arriving: write.pending, damaged: new Set() })
    } finally {
      if (!mayOutlive) await write.leftHere
    }
  }

  async read(id: ChunkId, range?: ByteRange, into?: Buffer): Promise<Buffer> {
    this.#checkOpen()
    // What no chunk has needs nobody to be asked.
    if (range !== undefined) checkRange(id, MAX_CHUNK_BYTES, range)
    const pair = this.#options.layouts()
    const read = new ReplicatedRead({
      ...this.#options,
      id,
      range,
      into,
      sources: this.#sources(id, pair),
      search: () => this.#search.strangers(id),
      timing: this.#timing,
      alarms: this.#alarms,
      readMs: this.#limits.readMs,
    })
    try {
      return await read.run()
    } finally {
      this.#metrics.hedges.add(read.hedges)
      this.#noticeBadCopies(id, read, pair)
      if (read.failures.size > 0) this.#metrics.failovers.add(1)
    }
  }

  async locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    this.#checkOpen()
    let failure: ShoalError | undefined
    for (const node of this.#search.readers(id)) {
      const [answer] = await this.#search.locateAt(id, [node])
      if (answer?.error !== undefined) failure = answer.error
      else if (answer?.value !== undefined) return answer.value
    }
    const { found, silent } = await this.#search.strangers(id)
    if (found[0] !== undefined) return found[0].info
    if (failure !== undefined || silent.length > 0) throw unavailable(id, failure)
    return undefined
  }

  /** Where the copies of a chunk are, and on their way. */
  async copies(id: ChunkId): Promise<ChunkCopies> {
    this.#checkOpen()
    const pair = this.#options.layouts()
    const nodes = new Set([...pair.readers(id), ...pair.next.candidates(id).slice(0, STAND_INS_MAX)])
    const answers = await this.#search.locateAt(id, [...nodes])
    const found = answers.flatMap((answer) => (answer.error !== undefined || answer.value === undefined ? [] : [answer]))
    const nodesWhere = (isDamaged: boolean) =>
      new Set(found.filter(({ value }) => (value?.isDamaged ?? false) === isDamaged).map(({ node }) => node))
    const arriving = [...(this.#writes.get(id) ?? [])].flatMap((write) => [...write.pending])
    return this.#describe(id, pair, { durable: nodesWhere(false), damaged: nodesWhere(true), arriving: new Set(arriving) })
  }

  async forget(id: ChunkId, options: { untouchedSinceMs?: number } = {}): Promise<boolean> {
    this.#checkOpen()
    return this.#forgets.run(id, async () => {
      // A copy that comes later would be one that nobody forgets.
      await Promise.all([...(this.#writes.get(id) ?? [])].filter((write) => write.isAcknowledged).map((write) => write.settled))
      const readers = this.#search.readers(id)
      const answers = await this.#search.ask(readers, (node, signal) => {
        return this.#options.peers.store(node).forget(id, { ...options, signal })
      })
      const removed = answers.filter((answer) => answer.error === undefined && answer.value)
      const silent = answers.filter((answer) => answer.error !== undefined)
      if (silent.length === readers.length) throw unavailable(id, silent[0]?.error)
      if (removed.length === 0 || options.untouchedSinceMs === undefined) return removed.length > 0
      const rest = answers.filter((answer) => answer.error === undefined && !answer.value).map(({ node }) => node)
      const kept = await this.#search.locateAt(id, rest)
      return kept.every((answer) => answer.error !== undefined || answer.value === undefined)
    })
  }

  /** `intact` if one copy is; copies that aren't go to the repair queue. */
  async verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    this.#checkOpen()
    const { holders, found, silent } = await this.#search.healthAt(id)
    const all = [...found.values()]
    const copies = all.filter((health) => health === 'intact').length
    if (copies > 0 && holders.some((node) => (found.get(node) ?? 'intact') !== 'intact'))
      this.#options.repairs.offer({ chunk: id, copies })
    if (copies > 0) return 'intact'
    if (silent.length > 0) throw unavailable(id, undefined)
    return all.includes('corrupt') ? 'corrupt' : 'missing'
  }

  async *list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    this.#checkOpen()
    const { peers } = this.#options
    const within = { alarms: this.#alarms, limitMs: this.#limits.callMs }
    const sources = this.#nodes().map((node) => (start: ChunkId | undefined, limit: number) => {
      return limitedCall(within, (signal) => peers.store(node).list({ from: start, limit, signal }))
    })
    yield* mergedList(sources, from)
  }

  async usage(): Promise<ChunkUsage> {
    this.#checkOpen()
    const { peers, layouts } = this.#options
    const answers = await this.#search.ask(this.#nodes(), (node, signal) => peers.store(node).usage(signal))
    const usages = answers.flatMap((answer) => (answer.error === undefined ? [answer.value] : []))
    if (usages.length === 0) throw new ShoalError('UNAVAILABLE', 'No node can say now what it keeps')
    const each = Math.max(1, layouts().next.holdersEach)
    const sum = (of: (usage: ChunkUsage) => number): number =>
      Math.round(usages.reduce((total, usage) => total + of(usage), 0) / each)
    const known =
      usages.length > 0 && usages.every(({ capacityBytes, freeBytes }) => capacityBytes !== undefined && freeBytes !== undefined)
    return {
      chunks: sum(({ chunks }) => chunks),
      liveBytes: sum(({ liveBytes }) => liveBytes),
      storedBytes: sum(({ storedBytes }) => storedBytes),
      capacityBytes: known ? sum(({ capacityBytes = 0 }) => capacityBytes) : undefined,
      freeBytes: known ? sum(({ freeBytes = 0 }) => freeBytes) : undefined,
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#forgets.settle()
    for (const writes of this.#writes.values()) for (const write of writes) await write.settled
  }

  /** All nodes that may have chunks. */
  #nodes(): NodeId[] {
    const { next, previous } = this.#options.layouts()
    return [...new Set([...next.nodes, ...(previous?.nodes ?? [])].map(({ id }) => id))]
  }

  /** This node, then the holders by load, those of the new layout before those of the old one, and those that seem to be down last. */
  #sources(id: ChunkId, pair: LayoutPair): NodeId[] {
    const { peers } = this.#options
    const readers = pair.readers(id)
    const writers = pair.writers(id)
    const others = readers.filter((node) => node !== peers.self)
    const up = others.filter((node) => peers.isHealthy(node))
    return [
      ...readers.filter((node) => node === peers.self),
      ...this.#timing.byLoad(up.filter((node) => writers.includes(node))),
      ...this.#timing.byLoad(up.filter((node) => !writers.includes(node))),
      ...others.filter((node) => !up.includes(node)),
    ]
  }

  #track(id: ChunkId, write: ReplicatedWrite): void {
    const writes = this.#writes.get(id) ?? new Set()
    this.#writes.set(id, writes.add(write))
    void write.settled.then(() => {
      writes.delete(write)
      if (writes.size === 0) this.#writes.delete(id)
    })
  }

  /** Lets the copies that are still under way arrive, as far as there is room to keep their bytes. */
  #goOnBehind(
    write: ReplicatedWrite,
    {
      id,
      pair,
      targets,
      kept,
      sizeBytes,
    }: { id: ChunkId; pair: LayoutPair; targets: CopyTargets; kept: Buffer | undefined; sizeBytes: number },
  ): void {
    const hasRoom = this.#backgroundBytes + sizeBytes <= this.#limits.backgroundBytesMax
    if (kept === undefined || !hasRoom) write.giveUp()
    this.#backgroundBytes += sizeBytes
    void write.settled.then(() => {
      this.#backgroundBytes -= sizeBytes
      if (kept !== undefined) void this.#reuse(kept, write)
      const { peers, policy } = this.#options
      const settled = settledHolders(id, { pair, peers, durable: write.durable })
      const isShort = targets.holders.length < policy.copies || settled.length < targets.first.length
      if (!isShort && settled.every((node) => write.durable.has(node))) return
      this.#metrics.incompleteWrites.add(1)
      this.#options.repairs.offer({ chunk: id, copies: write.durable.size })
    })
  }

  /** After anything else than success on all nodes a socket or a thread may still be at it. */
  async #reuse(kept: Buffer, write: ReplicatedWrite): Promise<void> {
    if (await write.isComplete()) this.#memory.giveBack(kept)
  }

  /** Copies that a read found corrupt or missing. While chunks move to a new layout they are missing for a while. */
  #noticeBadCopies(id: ChunkId, read: ReplicatedRead, pair: LayoutPair): void {
    const holders = pair.writers(id)
    const bad = holders.filter((node) => {
      const failure = read.failures.get(node)
      const isLacking = isShoalError(failure, 'CHUNK_MISSING') && !pair.isChanging && this.#options.peers.takesChunks(node)
      return isShoalError(failure, 'CORRUPT') || isLacking
    })
    const isUnknown = [...read.failures.values()].every(({ code }) => code === 'CHUNK_MISSING') && !read.hasSucceeded
    if (bad.length > 0 && !isUnknown) this.#options.repairs.offer({ chunk: id, copies: holders.length - bad.length })
  }

  #describe(
    id: ChunkId,
    pair: LayoutPair,
    { durable, arriving, damaged }: Pick<KnownCopies, 'durable' | 'arriving' | 'damaged'>,
  ): ChunkCopies {
    const { peers, policy } = this.#options
    // Who is being sent a copy in place of a holder shall have it.
    const holders = settledHolders(id, { pair, peers, durable: new Set([...durable, ...arriving]) })
    return describeCopies({ holders, durable, arriving, damaged, copies: policy.copies })
  }

  #checkOpen(): void {
    if (this.#isClosed) throw storeClosed()
  }
}

function unavailable(id: ChunkId, cause: ShoalError | undefined): ShoalError {
  return new ShoalError('UNAVAILABLE', `A node that may hold chunk ${id} can't be asked now`, { details: { chunk: id }, cause })
}
