import type { UnderWay } from '#gateway/http/under-way.ts'
import type { ReplicatedStore } from '#kv/replicated.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { ClusterNode } from './cluster-node.ts'
import type { StoreLeadership } from './store-leadership.ts'

/** New requests wait meanwhile, for 5 s at most; what takes longer than this is told to come again when it is to be committed. */
const ENDED_MS_MAX = 1_500
/** With less room than this a node that leads looks for another one, before it has to refuse changes; with so much more it may lead again, and so
 *  much others have to tell of that are to. */
const ROOM_BYTES_MIN = 4 * 1024 * 1024
const ROOM_BYTES = 64 * 1024 * 1024
const LOOK_MS = 1_000
/** Whoever was to lead does not: what was told of its room may be half a minute old. */
const UNLED_LOOKS_MAX = 5
/** Before another one is looked for again. */
const AGAIN_MS = 60_000

export interface HandOverOptions {
  readonly metadata: {
    readonly store: Pick<ReplicatedStore, 'resign' | 'campaignAgain'>
    readonly leadership: Pick<StoreLeadership, 'isLeading' | 'leave' | 'leader' | 'comeBack'>
  }
  readonly cluster: Pick<ClusterNode, 'id' | 'members' | 'onChange'>
  /** The requests that this node answers by itself. */
  readonly servedHere: UnderWay
  readonly clock: Clock
  /** How long these may take at most. */
  readonly graceMs: number
}

export interface SpaceWatch {
  /** As `SpaceReserve` has it. */
  readonly roomBytes: () => Promise<number>
  readonly log: Log
  readonly signal: AbortSignal
}

/** Lets another node lead the metadata while this one still answers: what comes meanwhile waits for the next one, and is sent on to it. */
export class HandOver {
  readonly #options: HandOverOptions
  /** Another node leads because the disk here is full. */
  #isWithoutRoom = false
  #unledLooks = 0
  #againAtMs = Number.NEGATIVE_INFINITY
  #isForGood = false

  constructor(options: HandOverOptions) {
    this.#options = options
  }

  /** Resolves once another node may lead, and what was begun here has ended or has taken too long; at once if no other one runs that could. */
  async run(): Promise<void> {
    if (!this.#canOther()) return
    const { metadata, servedHere, clock, graceMs } = this.#options
    if (metadata.leadership.isLeading) {
      metadata.leadership.leave()
      await servedHere.ended({ clock, withinMs: Math.min(ENDED_MS_MAX, graceMs) })
    }
    await metadata.store.resign()
  }

  /** The same, as soon as another node runs that can lead: one may be cut off from the others, and not from what they agree by. */
  runOnceOthersCan(): void {
    this.#isForGood = true
    if (this.#canOther()) return void this.run()
    const stop = this.#options.cluster.onChange(() => {
      if (!this.#canOther()) return
      stop()
      void this.run()
    })
  }

  /** While the disk is full nothing can be changed by way of this node, and by no other as long as it leads: then another one does that has
   *  room, until this one has. Resolves when `signal` is aborted, or this node has given up leading for good. */
  async watchSpace(watch: SpaceWatch): Promise<void> {
    const { clock } = this.#options
    while (!watch.signal.aborted && !this.#isForGood) {
      // A disk that can't be asked is another matter, and told of elsewhere.
      await (this.#isWithoutRoom ? this.#comeBackWithRoom(watch) : this.#leaveWithoutRoom(watch)).catch(() => {})
      await clock.sleep(LOOK_MS, watch.signal).catch(() => {})
    }
  }

  async #leaveWithoutRoom({ roomBytes, log, signal }: SpaceWatch): Promise<void> {
    const { metadata, clock } = this.#options
    if (!metadata.leadership.isLeading || clock.monotonicMs() < this.#againAtMs || !this.#canOther(ROOM_BYTES)) return
    const bytes = await roomBytes()
    if (bytes >= ROOM_BYTES_MIN || signal.aborted) return
    log.warn('the disk is full: another node leads the metadata until there is room', { roomBytes: bytes })
    this.#isWithoutRoom = true
    this.#unledLooks = 0
    await this.run()
  }

  /** Also if nobody else can, or does: removals are possible here. */
  async #comeBackWithRoom({ roomBytes, log, signal }: SpaceWatch): Promise<void> {
    const { metadata, clock } = this.#options
    this.#unledLooks = metadata.leadership.leader() === undefined ? this.#unledLooks + 1 : 0
    const bytes = await roomBytes()
    const isNeeded = !this.#canOther(ROOM_BYTES) || this.#unledLooks >= UNLED_LOOKS_MAX
    if ((bytes < ROOM_BYTES && !isNeeded) || signal.aborted || this.#isForGood) return
    log.info('this node may lead the metadata again', { roomBytes: bytes })
    this.#isWithoutRoom = false
    this.#againAtMs = clock.monotonicMs() + AGAIN_MS
    metadata.store.campaignAgain()
    metadata.leadership.comeBack()
  }

  #canOther(roomBytes = 0): boolean {
    const { cluster } = this.#options
    const others = cluster
      .members()
      .filter(({ id, liveness, facts }) => id !== cluster.id && liveness === 'alive' && facts.mode !== 'storage-failed')
    return others.some(
      ({ facts }) => facts.roles.includes('meta') && (roomBytes === 0 || facts.capacityBytes - facts.usedBytes >= roomBytes),
    )
  }
}
