import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { KeyValueStore, Snapshot, Transaction } from '#kv/store.ts'
import type { Clock } from '#platform/clock.ts'
import { DigestTree } from './digest-tree.ts'
import { areSameVersions, decodeTime, encodeTime, EntryTable } from './entry-table.ts'
import { type EntryState, latestTime } from './entry.ts'
import { HybridClock, type HybridTime, hybridTimeOf, msOf, NO_TIME } from './hybrid-clock.ts'
import { CEILING_KEY, DEFINITIONS, FLOOR_KEY, KNOWLEDGE_KEY, kindRange, type Place, readRumourKey, rumourKey } from './keys.ts'
import { decodeReport, encodeReport, Knowledge, type KnowledgeReport } from './knowledge.ts'
import type { TransferredState } from './message.ts'
import { LoadWindow } from './load-window.ts'
import { type CameBy, type News, RumourPool } from './rumour-pool.ts'

export interface ReplicaOptions {
  readonly node: NodeId
  readonly store: KeyValueStore
  readonly clock: Clock
  readonly depth?: number | undefined
  readonly driftMsMax?: number | undefined
  /** How far the floor has to rise before it is written. */
  readonly floorStepMs?: number | undefined
  readonly rumourKnownMax?: number | undefined
  /** The node is the first of its cluster. Any other takes writes only once it has spoken with a member. */
  readonly isFounder?: boolean | undefined
  /** How long a chunk that was left here may still be on its way to become used: longer than any message lives, and any question to all members takes. */
  readonly leftMs?: number | undefined
  /** Whether this node is writing the chunk. */
  readonly isPinned?: ((chunk: ChunkId) => boolean) | undefined
}

const LEFT_MS = 3_600_000
/** Those of an earlier life that are told again, as far as there is room. */
const KEPT_RUMOURS_MAX = 10_000

/** Deletions of rumours in one transaction. */
const DEAD_RUMOURS_MAX = 1000

/** Everything that one node has of the eventual volumes: the rows, the clock, what it knows of the others, and what it has to tell. */
export class Replica {
  readonly node: NodeId
  readonly store: KeyValueStore
  readonly table: EntryTable
  readonly clock: HybridClock
  readonly knowledge: Knowledge
  readonly rumours: RumourPool
  readonly #floorStep: HybridTime
  readonly #listeners = new Set<() => void>()
  readonly #watchers = new Set<(places: readonly Place[]) => void>()
  readonly #load: LoadWindow
  readonly #leftMs: number
  readonly #nowMs: () => number
  readonly isPinned: (chunk: ChunkId) => boolean
  /** Versions refused because they come from too far in the future. */
  refusedFuture = 0

  private constructor(options: ReplicaOptions, start: { ceiling: HybridTime; report: KnowledgeReport | undefined }) {
    const { node, store, clock, depth, driftMsMax, floorStepMs = 60_000, rumourKnownMax, isFounder = false } = options
    this.node = node
    this.store = store
    this.clock = new HybridClock(clock, {
      notBefore: start.ceiling,
      ...(driftMsMax === undefined ? {} : { driftMsMax }),
    })
    this.rumours = new RumourPool(rumourKnownMax)
    this.#leftMs = options.leftMs ?? LEFT_MS
    this.#nowMs = () => clock.nowMs()
    this.isPinned = options.isPinned ?? (() => false)
    const shared = { clock: this.clock, rumours: this.rumours, nowMs: this.#nowMs }
    this.table = new EntryTable({ node, tree: new DigestTree(depth), ...shared })
    this.#load = new LoadWindow(clock)
    this.knowledge = new Knowledge(node, { isFounder, report: start.report })
    this.#floorStep = hybridTimeOf(floorStepMs)
  }

  static async open(options: ReplicaOptions): Promise<Replica> {
    const { store } = options
    const start = await store.read((snapshot) => ({
      ceiling: snapshot.getDecoded(CEILING_KEY, decodeTime) ?? NO_TIME,
      report: snapshot.getDecoded(KNOWLEDGE_KEY, decodeReport),
    }))
    const replica = new Replica(options, start)
    for await (const { key } of store.range({ ...kindRange('r'), limit: KEPT_RUMOURS_MAX }))
      replica.rumours.add({ place: readRumourKey(key), isOwn: true })
    return replica
  }

  /** Whether it may take writes: its clock is known to be behind nobody's floor. */
  get isAdmitted(): boolean {
    return this.knowledge.isMember
  }

  /** Whether it takes so many writes of its own that work for others is to give way. */
  get isBusy(): boolean {
    return this.#load.isHigh
  }

  /** Whether what was left then may still be on its way to become used. A clock that was set back makes it so for longer. */
  wasLately(atMs: number): boolean {
    return this.#nowMs() - atMs < this.#leftMs
  }

  /** Whether it has lately been told what every member knows, and so of every member that there was a while ago. */
  get isInTouch(): boolean {
    const sinceMs = msOf(this.clock.now()) - msOf(this.knowledge.leastSeen())
    return this.isAdmitted && sinceMs < this.#leftMs / 2
  }

  /** Runs a change of the node's own, and tells of `places` that it gives once it is durable.
   *  @throws UNAVAILABLE before the node is a member */
  async change<T>(fn: (transaction: Transaction, tell: (place: Place) => void) => T): Promise<T> {
    this.#checkAdmitted()
    this.#load.count()
    const told: Place[] = []
    const result = await this.store.transact((transaction) => fn(transaction, (place) => told.push(place)))
    this.#heard(told.map((place) => ({ place, isOwn: true })))
    return result
  }

  /** Calls `listener` after each change of the definitions of volumes, whoever made it. */
  onDefinitions(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Calls `watcher` after each change of entries, whoever made it, with where something may be another now. */
  onChange(watcher: (places: readonly Place[]) => void): void {
    this.#watchers.add(watcher)
  }

  /** Takes in what `from` has, and has told as `by` says. @returns what was news, by index @throws UNAVAILABLE when some of it is too far in the future; the rest is taken */
  async mergeAll(
    entries: readonly TransferredState[],
    floor: HybridTime,
    { from, by }: { readonly from: NodeId; readonly by: CameBy },
  ): Promise<boolean[]> {
    const tooFar = entries.find(({ state }) => this.clock.isBeyond(latestTime(state)))
    const taken = tooFar === undefined ? entries : entries.filter(({ state }) => !this.clock.isBeyond(latestTime(state)))
    const told: News[] = []
    const news = await this.store.transact((transaction) =>
      taken.map((entry) => {
        const { isNews, state, written } = this.table.merge(transaction, entry, { state: entry.state, floor })
        const place = { volume: entry.volume, path: entry.path }
        // Two who each had something else have both not heard of what it became.
        if (isNews) told.push({ place, by, heardBy: areSameVersions(state, entry.state) ? [from, ...writerOf(state)] : [] })
        for (const beside of written) told.push({ place: beside, isOwn: true })
        return isNews
      }),
    )
    this.#heard(told)
    if (tooFar !== undefined) {
      this.refusedFuture += entries.length - taken.length
      this.clock.observe(latestTime(tooFar.state), from)
    }
    return news
  }

  /** What this node can say of itself and the others: everything that it says is durable, and its clock never falls behind it. */
  report(): Promise<KnowledgeReport> {
    return this.store.transact((transaction) => this.knowledge.report(this.table.promise(transaction)))
  }

  /** Lets a node in, durably. @throws FORBIDDEN */
  async admit(id: NodeId): Promise<void> {
    const isNew = this.knowledge.of(id) === undefined
    if (!this.knowledge.admit(id)) {
      throw new ShoalError(
        'FORBIDDEN',
        `Node ${id} was removed from this cluster, or there is no room for it: it can join again with a new data folder, and so with a new id`,
      )
    }
    if (isNew) await this.#keepKnowledge()
  }

  /** Forgets a member that is lost for good, by an operator's word. @throws UNAVAILABLE before this node is a member */
  async remove(id: NodeId): Promise<void> {
    this.#checkAdmitted()
    this.knowledge.remove(id, this.clock.tick())
    await this.#keepKnowledge()
  }

  /** Takes in who is a member, and what each has acknowledged. */
  async learn(report: KnowledgeReport): Promise<void> {
    const { size, isMember } = this.knowledge
    this.knowledge.learn(report, this.clock.tick())
    if (this.knowledge.size !== size || !isMember) await this.#keepKnowledge()
  }

  /** Raises the floor as far as is known to be safe, now and then. @param others another member's */
  async raiseFloor(others: HybridTime): Promise<void> {
    const next = this.knowledge.floor(others)
    const before = await this.store.read((snapshot) => this.table.floor(snapshot))
    if (next < before + this.#floorStep) return
    await this.store.transact((transaction) => {
      transaction.put(FLOOR_KEY, encodeTime(Math.max(next, this.table.floor(transaction)) as HybridTime))
      transaction.put(KNOWLEDGE_KEY, encodeReport(this.knowledge.current()))
    })
  }

  /** What is there now at `place`, as it is sent to others. */
  transferred(snapshot: Snapshot, { volume, path }: Place): TransferredState {
    return { volume, path, state: this.table.read(snapshot, { volume, path }) }
  }

  /** Rumours that have died need not be told again after a restart. */
  async buryRumours(places: readonly Place[]): Promise<void> {
    const dead = places.filter((place) => !this.rumours.has(place))
    for (let at = 0; at < dead.length; at += DEAD_RUMOURS_MAX) {
      await this.store.transact((transaction) => {
        for (const place of dead.slice(at, at + DEAD_RUMOURS_MAX))
          if (!this.rumours.has(place)) transaction.delete(rumourKey(place))
      })
    }
  }

  #heard(news: readonly News[]): void {
    for (const each of news) this.rumours.add(each)
    for (const watcher of this.#watchers) watcher(news.map(({ place }) => place))
    if (news.some(({ place }) => place.volume === DEFINITIONS)) for (const listener of this.#listeners) listener()
  }

  #checkAdmitted(): void {
    if (this.isAdmitted) return
    throw new ShoalError('UNAVAILABLE', 'This node has not spoken with any member of its cluster yet: try again in a moment')
  }

  #keepKnowledge(): Promise<void> {
    return this.store.transact((transaction) => {
      transaction.put(KNOWLEDGE_KEY, encodeReport(this.knowledge.current()))
      // A member's clock is ahead of everybody's floor, also if it has written nothing before it is started again.
      this.table.promise(transaction)
    })
  }
}

/** Whoever wrote all that was ever there has it. Of what became of other versions meanwhile the writer of the one that is left need not have heard. */
function writerOf({ versions: [version, ...others], context }: EntryState): NodeId[] {
  return version === undefined || others.length > 0 || context.size > 0 ? [] : [version.node]
}
