import type { NodeId } from '#foundation/ids.ts'
import { isShoalError } from '#foundation/errors.ts'
import { ALIVE_METHOD } from '#gateway/http/forward-methods.ts'
import type { Clock } from '#platform/clock.ts'
import type { WirePeers } from '#wire/peers.ts'
import type { Leadership } from './leadership.ts'

export interface LeaderAnswersOptions {
  readonly leadership: Pick<Leadership, 'isLeading' | 'leader'>
  readonly peers: Pick<WirePeers, 'call'>
  /** What gossip says of a node; all run unless given. */
  readonly isRunning?: ((node: NodeId) => boolean) | undefined
  readonly clock: Pick<Clock, 'monotonicMs'>
}

/** A node that runs answers within a few milliseconds; one whose cores are taken for a moment, within some hundred. */
const ANSWER_MS = 1_000
/** Who was silent isn't asked again before: gossip says of it within some seconds that it doesn't run. */
const SILENT_MS = 1_000

/** Whether there is a node that leads and answers, for what can be answered without it: gossip learns only after seconds that a node is gone, and
 *  requests that are sent to it wait as long. */
export class LeaderAnswers {
  readonly #options: LeaderAnswersOptions
  #asking: { readonly nodeId: NodeId; readonly answer: Promise<boolean> } | undefined
  #silent: { readonly nodeId: NodeId; readonly untilMs: number } | undefined

  constructor(options: LeaderAnswersOptions) {
    this.#options = options
  }

  /** Within a second. Who asks while the question is under way gets the same answer. */
  async isThere(): Promise<boolean> {
    const { leadership, isRunning, clock } = this.#options
    if (leadership.isLeading) return true
    const leader = leadership.leader()
    if (leader === undefined || isRunning?.(leader.nodeId) === false) return false
    const { nodeId, host, nodePort: port } = leader
    if (this.#silent?.nodeId === nodeId && clock.monotonicMs() < this.#silent.untilMs) return false
    if (this.#asking?.nodeId === nodeId) return this.#asking.answer
    const answer = this.#ask({ nodeId, host, port })
    this.#asking = { nodeId, answer }
    return answer
  }

  async #ask(peer: { readonly nodeId: NodeId; readonly host: string; readonly port: number }): Promise<boolean> {
    const { peers, clock } = this.#options
    try {
      await peers.call(peer, ALIVE_METHOD, { deadlineMs: ANSWER_MS })
      return true
    } catch (error) {
      // Anything else is a sign of life.
      if (!isShoalError(error, 'TIMEOUT') && !isShoalError(error, 'UNAVAILABLE')) return true
      this.#silent = { nodeId: peer.nodeId, untilMs: clock.monotonicMs() + SILENT_MS }
      return false
    } finally {
      this.#asking = undefined
    }
  }
}
