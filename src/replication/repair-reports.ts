import { isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { WirePeers } from '#wire/peers.ts'
import { REPORTED_MAX, decodeReport, encodeReport } from './chunk-calls.ts'
import type { RepairQueue, RepairRequest } from './repair-queue.ts'

/** How often it looks whether something waits. */
const IDLE_MS = 250
/** Until the next try after a failure: another node leads by then, or the one that does is back. */
const RETRY_MS = 1_000
const DEADLINE_MS = 5_000

/** `repair.report` puts what other nodes have met into this one's own queue. */
export function repairMethods(queue: RepairQueue): WireMethods {
  return {
    'repair.report': {
      handle: async ({ header }) => {
        for (const request of decodeReport(header)) queue.offer(request)
        return {}
      },
    },
  }
}

export interface RepairReporterOptions {
  /** What this node's reads and writes have found. */
  readonly queue: RepairQueue
  readonly wire: Pick<WirePeers, 'call'>
  /** The node whose tracker repairs; `undefined` while nobody is known to lead. */
  readonly leader: () => PeerAddress | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Tells the node that leads of chunks that may lack copies, from a node that doesn't: there is one tracker, so that its budgets and its pauses hold
 *  for all repairs, and what lacks most comes first wherever it was met. */
export class RepairReporter {
  readonly #options: RepairReporterOptions
  #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(options: RepairReporterOptions) {
    this.#options = options
  }

  /** Also after it was stopped. */
  start(): void {
    this.#stop = new AbortController()
    this.#running = this.#run()
  }

  /** What wasn't told stays in the queue. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      const waitMs = await this.#tellSome()
      if (waitMs > 0) await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }

  /** @returns how long to wait before the next ones */
  async #tellSome(): Promise<number> {
    const { queue, wire, leader, log } = this.#options
    const address = leader()
    if (queue.size === 0 || address === undefined) return IDLE_MS
    const told: RepairRequest[] = []
    for (let next = queue.take(); next !== undefined; next = queue.take()) {
      told.push(next)
      if (told.length >= REPORTED_MAX) break
    }
    try {
      const { body } = await wire.call(address, 'repair.report', {
        header: encodeReport(told),
        deadlineMs: DEADLINE_MS,
        signal: this.#stop.signal,
        isIdempotent: true,
      })
      body.cancel()
      return 0
    } catch (error) {
      if (!isShoalError(error)) throw error
      for (const request of told) queue.offer(request)
      log.debug('the node that leads could not be told of chunks that lack copies, it is tried again', { error })
      return RETRY_MS
    }
  }
}
