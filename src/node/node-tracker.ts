import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { BudgetDocument, DrainDocument, TrackerDocument, TrackerTask } from '#gateway/rest/tracker-schemas.ts'
import type { TrackerAdmin } from '#gateway/rest/tracker-admin.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { MemberView } from '#membership/member.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { ChunkPeers } from '#replication/peers.ts'
import type { RepairQueue } from '#replication/repair-queue.ts'
import { classOf, layoutName } from '#system/system-view.ts'
import type { LayoutName, SystemSource } from '#system/system-view.ts'
import { KvTaskStore } from '#tracker/kv-task-store.ts'
import { RemoteHolders } from '#tracker/remote-holders.ts'
import type { TaskTiming } from '#tracker/task-timing.ts'
import { Tracker } from '#tracker/tracker.ts'
import type { StrongVolumes } from '#volume/strong-volumes.ts'
import type { BackgroundWork } from './led-work.ts'
import { drainDocument } from './drain-document.ts'
import { trackerDocument } from './tracker-document.ts'
import { trackerMembers } from './tracker-members.ts'

export interface NodeTrackerOptions {
  /** The system shard. */
  readonly kv: KeyValueStore
  readonly peers: ChunkPeers
  /** What reads and writes have found to lack copies, here and on other nodes. */
  readonly repairs: RepairQueue
  readonly records: Pick<SystemSource, 'view'>
  /** Gives up the layout before the one of that version. */
  readonly settle: (name: LayoutName, version: number) => Promise<void>
  /** Nothing is needed of a node. */
  readonly drained: (node: NodeId) => Promise<void>
  readonly cluster: { members(): readonly MemberView[]; readonly removed: ReadonlySet<NodeId> }
  readonly volumes: Pick<StrongVolumes, 'list' | 'referenced'>
  readonly clock: Clock
  readonly digests: Pick<Digests, 'sha256'>
  readonly log: Log
  readonly metrics?: Metrics | undefined
  /** What nothing refers to and was touched since may yet become part of a file. */
  readonly sessionMs: number
  /** How often all chunks are gone through for those. */
  readonly collectEveryMs: number
  /** Other times than the tracker's own, and how long a node may take to answer and to give or take a copy: for simulations. */
  readonly timing?: Partial<TaskTiming>
  readonly callMs?: number
  readonly copyMs?: number
}

/** For so long it is taken for granted which classes volumes have. */
const CLASSES_MS = 1_000
/** The store isn't ready yet, say. */
const RETRY_MS = 1_000

/** The tracker of a node: it works while the node leads. While a node is alone there is nothing for it to do, and it does nothing. */
export class NodeTracker implements BackgroundWork, TrackerAdmin {
  readonly #options: NodeTrackerOptions
  readonly #tracker: Tracker
  readonly #holders: RemoteHolders
  #stopping = new AbortController()
  #starting: Promise<void> = Promise.resolve()
  #used: { readonly names: readonly LayoutName[]; readonly atMs: number } | undefined

  constructor(options: NodeTrackerOptions) {
    const { kv, cluster, records, settle, clock, sessionMs, collectEveryMs } = options
    const log = options.log.child({ part: 'tracker' })
    this.#options = { ...options, log }
    this.#holders = new RemoteHolders(options)
    this.#tracker = new Tracker({
      source: { members: () => trackerMembers(cluster, records.view), layouts: () => records.view.layouts },
      holders: this.#holders,
      referenced: (ids) => this.#referenced(ids),
      outcomes: {
        settled: (name, version) => settle(name as LayoutName, version),
        drained: (node) => options.drained(node),
      },
      store: new KvTaskStore(kv),
      metrics: options.metrics,
      reported: options.repairs,
      clock,
      log,
      timing: { ...options.timing, sessionMs, collectEveryMs },
    })
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#starting = this.#start(this.#stopping.signal)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#starting
    await this.#tracker.stop()
  }

  /** How far the walk is that drains nodes; `undefined` where there is none. */
  get drainFraction(): number | undefined {
    return this.#tracker.walkFraction('drain')
  }

  async status(): Promise<TrackerDocument> {
    return trackerDocument(await this.#tracker.status())
  }

  async drain(node: string): Promise<DrainDocument> {
    const { cluster, records } = this.#options
    const { view } = records
    const known = cluster.members()
    const id = node as NodeId
    if (!view.nodes.has(id) && !known.some((each) => each.id === id))
      throw new ShoalError('NOT_FOUND', `There is no node "${node.slice(0, 80)}"`)
    if (view.nodes.get(id)?.state !== 'draining') throw new ShoalError('CONFLICT', `Node ${node} is not to be drained`)
    const [{ tasks }, usage] = await Promise.all([
      this.#tracker.status(),
      this.#holders.usage(id, this.#stopping.signal).catch(() => undefined),
    ])
    return drainDocument({ id, usage, tasks, members: this.#tracker.members(), known, view })
  }

  pause(task: TrackerTask | undefined): Promise<void> {
    return this.#tracker.pause(task)
  }

  resume(task: TrackerTask | undefined): Promise<void> {
    return this.#tracker.resume(task)
  }

  run(task: TrackerTask, options: { isDryRun: boolean; budget: BudgetDocument | undefined }): Promise<void> {
    return this.#tracker.run(task, options)
  }

  /** A volume has another class. On a node that doesn't lead nothing comes of it. */
  onClassChange(): void {
    this.#tracker.reconsider().catch((error: unknown) => {
      if (!isShoalError(error)) throw error
      this.#options.log.debug('chunks are not looked at again for the class of a volume', { error })
    })
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options
    while (!signal.aborted) {
      try {
        return await this.#tracker.start()
      } catch (error) {
        if (!isShoalError(error)) throw error
        log.warn('the tracker could not be started, it is tried again', { error })
        await clock.sleep(RETRY_MS, signal).catch(() => undefined)
      }
    }
  }

  /** A chunk belongs where each of its classes has it. One that is about to be used may be of any that volumes have. */
  async #referenced(ids: readonly ChunkId[]): Promise<ReadonlyMap<ChunkId, readonly LayoutName[]>> {
    const used = await this.#usedLayouts()
    const known = await this.#options.volumes.referenced(ids)
    const { view } = this.#options.records
    const namesOf = (classes: readonly string[]): readonly LayoutName[] => {
      const names = [...new Set(classes.map((name) => layoutName(classOf(view, name))))]
      // Of a class that no volume has any more there may be no layout.
      return names.length > 0 && names.every((name) => view.layouts.has(name)) ? names : used
    }
    return new Map([...known].map(([id, classes]) => [id, namesOf(classes)]))
  }

  async #usedLayouts(): Promise<readonly LayoutName[]> {
    const { clock, volumes, records } = this.#options
    const nowMs = clock.monotonicMs()
    if (this.#used !== undefined && nowMs - this.#used.atMs < CLASSES_MS) return this.#used.names
    const classes = new Set((await volumes.list()).map(({ policy }) => policy.class))
    const { view } = records
    const names = [...new Set([...classes].map((name) => layoutName(classOf(view, name))))].toSorted()
    // Until a layout is made nobody could say where its chunks belong.
    if (names.some((name) => !view.layouts.has(name))) {
      throw new ShoalError('UNAVAILABLE', 'A class that volumes have is without a layout yet')
    }
    this.#used = { names, atMs: nowMs }
    return names
  }
}
