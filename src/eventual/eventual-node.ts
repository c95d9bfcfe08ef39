import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { answerMessage } from './answer.ts'
import { Exchange, type ExchangeOutcome } from './exchange.ts'
import { type Kind, type Message, type Peers, RUMOURS_MAX } from './message.ts'
import { PageFiller } from './page-filler.ts'
import type { Replica } from './replica.ts'
import type { Rumour } from './rumour-pool.ts'
import { tidyReplica } from './tidy.ts'

export interface EventualTiming {
  /** Between two tellings of rumours, while there are some. */
  readonly rumourIntervalMs: number
  /** To how many others each time. */
  readonly fanOut: number
  /** Between two exchanges that this node begins. */
  readonly exchangeIntervalMs: number
  /** Members and what they have acknowledged are spoken of in exchanges, so often times the number of members: it is 60 bytes for each. */
  readonly reportIntervalMsPerMember: number
  /** Between two looks at what has become old. */
  readonly tidyIntervalMs: number
  /** Between two steps of work for other nodes while this one takes many writes, whichever they are for. */
  readonly giveWayMs: number
}

export const DEFAULT_EVENTUAL_TIMING: EventualTiming = {
  rumourIntervalMs: 200,
  fanOut: 2,
  exchangeIntervalMs: 5000,
  reportIntervalMsPerMember: 100,
  tidyIntervalMs: 60_000,
  giveWayMs: 0,
}

/** Messages of others that are answered at a time; further ones are BUSY. */
const ANSWERS_MAX = 64
/** Steps of exchanges, which are work for whoever answers them: comparing what is below 128 nodes of the tree takes up to 50 ms. */
const STEPS: ReadonlySet<Kind> = new Set(['compare', 'list', 'swap'])
/** News told at a time while this node takes many writes, and none sooner: with a fan-out of 2 some 1,300 entries leave it in a second, for which
 *  it works for a hundredth of one. What is too much for that comes to others by exchanges. */
const BUSY_RUMOURS_MAX = 128
/** Of the interval, while there is more to tell than a message holds. Who takes it in sets the pace: the next one waits for its answer. */
const SHARE_WITH_MORE = 0.25
/** However many wait for their turns. Who asked waits for some seconds. */
const GIVE_WAY_MS_MAX = 2_000

export interface EventualNodeOptions {
  readonly replica: Replica
  readonly peers: Peers
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly timing?: Partial<EventualTiming>
}

export interface EventualCounts {
  rumoursTold: number
  rumourCalls: number
  exchanges: number
  exchangesFailed: number
  entriesReceived: number
  entriesSent: number
}

/** Makes one node's eventual volumes converge with everybody else's: tells rumours, compares digests at intervals, and forgets what
 *  nobody needs any more. */
export class EventualNode {
  readonly counts: EventualCounts = {
    rumoursTold: 0,
    rumourCalls: 0,
    exchanges: 0,
    exchangesFailed: 0,
    entriesReceived: 0,
    entriesSent: 0,
  }
  /** By peer, when the last whole exchange with it ended, whoever began it, by the machine's clock. */
  readonly lastExchangeMs = new Map<NodeId, number>()
  /** By peer, which news was the last here when it began to compare. */
  readonly #newsAtBegin = new Map<NodeId, number>()
  readonly #replica: Replica
  readonly #peers: Peers
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #timing: EventualTiming
  readonly #stopping = new AbortController()
  #loops: Promise<void>[] = []
  #answering = 0
  #lastReportMs = Number.NEGATIVE_INFINITY
  /** When the last step that was let wait has its turn. */
  #lastStepMs = 0

  constructor({ replica, peers, clock, random, log, timing }: EventualNodeOptions) {
    this.#replica = replica
    this.#peers = peers
    this.#clock = clock
    this.#random = random
    this.#log = log
    this.#timing = { ...DEFAULT_EVENTUAL_TIMING, ...timing }
  }

  start(): void {
    const { rumourIntervalMs, exchangeIntervalMs, tidyIntervalMs } = this.#timing
    this.#loops = [
      this.#repeat(rumourIntervalMs, () => this.tellRumours()),
      this.#repeat(exchangeIntervalMs, () => this.#exchangeWithSomebody()),
      this.#repeat(tidyIntervalMs, () => tidyReplica(this.#replica)),
    ]
  }

  /** Ends what is under way. Repeating it is harmless. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#loops)
  }

  /** Answers another node. @throws BUSY, and what `answerMessage` throws */
  async answer(message: Message): Promise<Message> {
    if (this.#answering >= ANSWERS_MAX) throw new ShoalError('BUSY', 'This node answers too many others at the moment')
    this.#answering += 1
    try {
      if (STEPS.has(message.body.kind)) await this.#takeTurn()
      else if (message.body.kind === 'rumours') await this.#giveWay()
      const answer = await answerMessage(this.#replica, message)
      this.#noteExchange(message)
      return answer
    } finally {
      this.#answering -= 1
    }
  }

  /** Who has compared everything with this node has all that was here when it began. */
  #noteExchange({ from, body }: Message): void {
    const { rumours } = this.#replica
    if (body.kind === 'begin') this.#newsAtBegin.set(from, rumours.lastNumber)
    if (body.kind !== 'finish') return
    this.lastExchangeMs.set(from, this.#clock.nowMs())
    rumours.caughtUp(from, this.#newsAtBegin.get(from) ?? 0)
  }

  /** Tells a random few what is new, once. @returns whether there may be more to tell at once: a message was full, and was taken in */
  async tellRumours(): Promise<boolean> {
    if (this.#replica.rumours.size === 0 || !this.#replica.isAdmitted) return false
    const others = this.#others()
    const told = await Promise.all(this.#pick(this.#timing.fanOut, others).map((target) => this.#tellAll(target)))
    const dead = [...told.flatMap(({ died }) => died), ...this.#replica.rumours.dropHeard(others)]
    await this.#replica.buryRumours(dead.flatMap(({ isOwn, place }) => (isOwn ? [place] : [])))
    return told.some(({ isFull }) => isFull)
  }

  /** @returns those that have died of it */
  async #tellAll(target: NodeId): Promise<{ readonly died: readonly Rumour[]; readonly isFull: boolean }> {
    const { rumours, store, node, clock, table } = this.#replica
    const { isBusy } = this.#replica
    const taken = rumours.take(target, isBusy ? BUSY_RUMOURS_MAX : RUMOURS_MAX)
    if (taken.length === 0) return { died: [], isFull: false }
    const { entries, floor } = await store.read((snapshot) => {
      const page = new PageFiller(RUMOURS_MAX)
      for (const { place } of taken) if (!page.isFull) page.add(this.#replica.transferred(snapshot, place))
      return { entries: page.entries, floor: table.floor(snapshot) }
    })
    const message: Message = { from: node, now: clock.now(), floor, body: { kind: 'rumours', entries } }
    const news = await this.#tell(target, message)
    const answerAt = (at: number) => (news === undefined ? 'none' : news[at] === true ? 'news' : 'known')
    const died = taken.slice(0, entries.length).filter((rumour, at) => rumours.told(rumour, answerAt(at), target))
    return { died, isFull: news !== undefined && !isBusy && taken.length === RUMOURS_MAX }
  }

  /** Compares everything with one other node. @throws what the peer answers, or UNAVAILABLE, TIMEOUT, CANCELLED */
  async exchangeWith(peer: NodeId): Promise<ExchangeOutcome> {
    const nowMs = this.#clock.monotonicMs()
    const isDue = nowMs >= this.#lastReportMs + this.#timing.reportIntervalMsPerMember * this.#replica.knowledge.size
    const withReport = isDue || !this.#replica.isAdmitted
    if (withReport) this.#lastReportMs = nowMs
    const news = this.#replica.rumours.lastNumber
    const outcome = await new Exchange(this.#replica, {
      peers: this.#peers,
      peer,
      withReport,
      takeTurn: () => this.#takeTurn(),
      signal: this.#stopping.signal,
    }).run()
    this.counts.exchanges += 1
    this.counts.entriesReceived += outcome.received
    this.counts.entriesSent += outcome.sent
    this.lastExchangeMs.set(peer, this.#clock.nowMs())
    this.#replica.rumours.caughtUp(peer, news)
    return outcome
  }

  async #giveWay(): Promise<void> {
    const { giveWayMs } = this.#timing
    if (giveWayMs > 0 && this.#replica.isBusy) await this.#clock.sleep(giveWayMs, this.#stopping.signal)
  }

  /** Of all exchanges together there is one step at a time: many nodes that compare with a busy one would take much of it otherwise. */
  async #takeTurn(): Promise<void> {
    const { giveWayMs } = this.#timing
    if (giveWayMs === 0 || !this.#replica.isBusy) return
    const nowMs = this.#clock.monotonicMs()
    const waitMs = Math.min(Math.max(this.#lastStepMs - nowMs, 0) + giveWayMs, GIVE_WAY_MS_MAX)
    this.#lastStepMs = nowMs + waitMs
    await this.#clock.sleep(waitMs, this.#stopping.signal)
  }

  /** For each entry whether it was news there; `undefined` if there is no answer. */
  async #tell(target: NodeId, message: Message): Promise<readonly boolean[] | undefined> {
    this.counts.rumourCalls += 1
    try {
      const { from, now, body } = await this.#peers.call(target, message, this.#stopping.signal)
      if (from !== target || body.kind !== 'heard') return undefined
      this.#replica.clock.observe(now, target)
      this.counts.rumoursTold += body.news.length
      return body.news
    } catch (error) {
      if (!isShoalError(error)) throw error
      this.#log.debug('rumours were not heard', { target, code: error.code })
      return undefined
    }
  }

  async #exchangeWithSomebody(): Promise<void> {
    const [peer] = this.#pick(1, this.#others())
    if (peer === undefined) return
    try {
      await this.exchangeWith(peer)
    } catch (error) {
      if (!isShoalError(error)) throw error
      this.counts.exchangesFailed += 1
      this.#log.debug('an exchange broke off', { peer, code: error.code, reason: error.message })
    }
  }

  #others(): NodeId[] {
    return this.#peers.running().filter((id) => !this.#replica.knowledge.isRemoved(id))
  }

  /** Up to `count` different ones of `others`, by chance. */
  #pick(count: number, others: readonly NodeId[]): NodeId[] {
    const left = [...others]
    const picked: NodeId[] = []
    while (picked.length < count && left.length > 0) {
      const at = Math.floor(this.#random.fraction() * left.length)
      picked.push(left[at] as NodeId)
      left[at] = left.at(-1) as NodeId
      left.pop()
    }
    return picked
  }

  /** Half to one and a half times the interval apart, so that nodes that were started together don't stay in step; sooner if `once` says `true`. */
  async #repeat(intervalMs: number, once: () => Promise<unknown>): Promise<void> {
    const { signal } = this.#stopping
    let share = 1
    while (!signal.aborted) {
      try {
        await this.#clock.sleep(share * intervalMs * (0.5 + this.#random.fraction()), signal)
        share = 1
        if ((await once()) === true) share = SHARE_WITH_MORE
      } catch (error) {
        if (!isShoalError(error)) throw error
        if (error.code !== 'CANCELLED')
          this.#log.warn('eventual volumes cannot go on for now', { code: error.code, reason: error.message })
      }
    }
  }
}
