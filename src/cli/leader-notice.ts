import type { ClusterCalls } from '#client/cluster-calls.ts'
import type { Io } from './io.ts'

/** Says on stderr, once, that a call has no answer for want of the node that leads: the node that was called waits for another one, as long as there
 *  is hope. */
export class LeaderNotice {
  readonly #io: Io
  readonly #open: () => Pick<ClusterCalls, 'nodes'>
  #calls: Pick<ClusterCalls, 'nodes'> | undefined
  #isLooking = false
  #isSaid = false

  /** What `open` makes has a connection of its own. */
  constructor(io: Io, open: () => Pick<ClusterCalls, 'nodes'>) {
    this.#io = io
    this.#open = open
  }

  /** To be called while a call waits. Never rejects. */
  async look(): Promise<void> {
    if (this.#isLooking || this.#isSaid) return
    this.#isLooking = true
    try {
      const reason = await this.#reason()
      if (reason !== undefined) this.#say(reason)
    } catch {
      // Whoever may not ask, or reaches nobody, is told so by the call that waits.
    } finally {
      this.#isLooking = false
    }
  }

  /** Each node knows it without asking another. */
  async #reason(): Promise<string | undefined> {
    this.#calls ??= this.#open()
    const nodes = await this.#calls.nodes()
    const leader = nodes.find(({ home }) => home)
    if (leader === undefined) return 'No node leads the metadata'
    if (leader.state !== 'dead' && leader.state !== 'left') return undefined
    return `Node ${leader.id} at ${leader.host}, which leads the metadata, is ${leader.state === 'dead' ? 'dead' : 'stopped'}`
  }

  #say(reason: string): void {
    this.#isSaid = true
    // A bar that is being drawn stands on the line.
    const clear = this.#io.stderr.isTTY === true ? '\r\x1b[K' : ''
    this.#io.stderr.write(`${clear}${reason}: waiting…\n`)
  }
}
