import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import type { Log, LogFields } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { WirePeers } from '#wire/peers.ts'

/** What machines keep that are set by NTP, many times over; of what is newer in eventual volumes their clocks decide. */
export const CLOCK_TOLERANCE_MS = 500
const TIME_METHOD = 'cluster.time'
const ANSWER_MS = 2_000
/** Of those that are asked at a time; with more nodes each is asked now and then. */
const ASKED_MAX = 16
/** Before the log tells of the same node again. */
const WARN_EVERY_MS = 3_600_000

/** A node whose clock shows another time than this one's. */
export interface ClockDifference {
  readonly nodeId: NodeId
  /** How far it is ahead of this one; negative if behind. */
  readonly aheadMs: number
}

export interface ClockWatchOptions {
  readonly self: NodeId
  members(): readonly MemberView[]
  readonly peers: Pick<WirePeers, 'call'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** Compares the clocks of other nodes with this one's. */
export class ClockWatch {
  readonly #options: ClockWatchOptions
  readonly #aheadMs = new Map<NodeId, number>()
  readonly #warnedMs = new Map<NodeId, number>()

  constructor(options: ClockWatchOptions) {
    this.#options = options
  }

  get methods(): WireMethods {
    return { [TIME_METHOD]: { handle: async () => ({ header: { nowMs: this.#options.clock.nowMs() } }) } }
  }

  /** How far the clock of a node is ahead of this one's, as far as that could be measured; `undefined` if it wasn't yet. */
  aheadMs(node: NodeId): number | undefined {
    return this.#aheadMs.get(node)
  }

  /** Of nodes that run: those whose clocks differ by more than is usual. */
  differences(): readonly ClockDifference[] {
    return this.#others().flatMap(({ id: nodeId }) => {
      const aheadMs = this.#aheadMs.get(nodeId)
      return aheadMs === undefined || Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS ? [] : [{ nodeId, aheadMs }]
    })
  }

  /** Asks the others for their time, and warns of those that differ. */
  async compare(): Promise<void> {
    const others = this.#others()
    for (const id of this.#aheadMs.keys()) if (!others.some((other) => other.id === id)) this.#aheadMs.delete(id)
    const first = others.length <= ASKED_MAX ? 0 : Math.floor(this.#options.random.fraction() * others.length)
    const asked = [...others.slice(first), ...others.slice(0, first)].slice(0, ASKED_MAX)
    await Promise.all(asked.map((member) => this.#ask(member)))
  }

  #others(): readonly MemberView[] {
    const { members, self } = this.#options
    return members().filter(({ id, liveness }) => id !== self && liveness === 'alive')
  }

  async #ask({ id, facts: { host, nodePort: port } }: MemberView): Promise<void> {
    const { peers, clock } = this.#options
    const sentMs = clock.monotonicMs()
    let nowMs: unknown
    try {
      const { header } = await peers.call({ nodeId: id, host, port }, TIME_METHOD, { deadlineMs: ANSWER_MS })
      nowMs = (header as { readonly nowMs?: unknown } | null)?.nowMs
    } catch (error) {
      // It is of a release that isn't asked for its time, or can't be reached: others see to that.
      if (isAboutTime(error))
        this.#warn(id, 'a certificate is not valid by the clock of one of two nodes', { host, reason: (error as Error).message })
      return
    }
    if (typeof nowMs !== 'number') return
    // Cristian's: it told its time at some moment between both, so no more than half of it is unknown.
    const halfMs = (clock.monotonicMs() - sentMs) / 2
    const aheadMs = nowMs + halfMs - clock.nowMs()
    const surelyMs = Math.sign(aheadMs) * Math.max(0, Math.abs(aheadMs) - halfMs)
    this.#aheadMs.set(id, Math.round(surelyMs))
    this.#tell({ nodeId: id, aheadMs: Math.round(surelyMs) }, host)
  }

  #tell({ nodeId, aheadMs }: ClockDifference, host: string): void {
    const { log } = this.#options
    if (Math.abs(aheadMs) <= CLOCK_TOLERANCE_MS) {
      if (this.#warnedMs.delete(nodeId)) log.info('the clocks of two nodes show the same time again', { nodeId, host })
      return
    }
    this.#warn(nodeId, 'the clock of another node shows another time: is NTP at work on both?', { host, aheadMs })
  }

  #warn(nodeId: NodeId, message: string, fields: LogFields): void {
    const { clock, log } = this.#options
    const warnedMs = this.#warnedMs.get(nodeId)
    if (warnedMs !== undefined && clock.monotonicMs() - warnedMs < WARN_EVERY_MS) return
    this.#warnedMs.set(nodeId, clock.monotonicMs())
    log.warn(message, { nodeId, ...fields })
  }
}

/** Of who is days off no time is to be had: one takes the certificate of the other for one that isn't valid. */
function isAboutTime(error: unknown): boolean {
  const { message, cause } = error as Error
  return /by the clock of|certificate (is not yet valid|has expired)/.test(
    `${message} ${cause instanceof Error ? cause.message : ''}`,
  )
}
