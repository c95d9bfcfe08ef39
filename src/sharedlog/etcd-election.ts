import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { EtcdClient } from './etcd-client.ts'
import type { EtcdKeyValue } from './etcd-messages.ts'
import { LeaseTerm } from './lease-term.ts'
import type { Candidate, Leader } from './log.ts'

export interface EtcdElectionOptions {
  readonly client: EtcdClient
  /** There while somebody leads; the revision that made it is the epoch. */
  readonly key: string
  readonly clock: Clock
  readonly leaseMs: number
  /** Ends everything. */
  readonly closed: AbortSignal
}

const RETRY_MS = 200

/** The election of a leader: a key that only one can make, and that goes when the lease of whoever made it passes. Revisions of
 *  etcd only grow, so the one that made the key is a fencing token. */
export class EtcdElection {
  readonly #options: EtcdElectionOptions
  readonly #key: Buffer

  constructor(options: EtcdElectionOptions) {
    this.#options = options
    this.#key = Buffer.from(options.key)
  }

  async lead(candidate: Candidate, signal: AbortSignal): Promise<LeaseTerm> {
    const ended = AbortSignal.any([signal, this.#options.closed])
    while (!ended.aborted) {
      try {
        for await (const leader of this.leaders(ended)) {
          const term = leader === undefined ? await this.#elect(candidate) : undefined
          if (term !== undefined) return term
        }
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE')) throw error
        await this.#options.clock.sleep(RETRY_MS, ended)
      }
    }
    throw new ShoalError('CANCELLED', 'The campaign was ended')
  }

  async *leaders(signal: AbortSignal): AsyncGenerator<Leader | undefined, void, undefined> {
    const { client, closed } = this.#options
    const ended = AbortSignal.any([signal, closed])
    for (let last: number | undefined; !ended.aborted;) {
      const { found, revision } = await client.ask({ success: [{ range: { key: this.#key } }] })
      const [entry] = found[0] ?? []
      const leader = entry === undefined ? undefined : toLeader(entry)
      // That nobody leads is said again: somebody may have, in between.
      if ((leader === undefined || leader.epoch !== last) && !ended.aborted) yield leader
      last = leader?.epoch
      for await (const { events, isCanceled } of client.watch({ key: this.#key, fromRevision: revision + 1 }, ended)) {
        // Looking again is what there is to do, whatever the reason.
        if (isCanceled) break
        for (const event of events) {
          const now = event.isRemoval ? undefined : toLeader(event.entry)
          last = now?.epoch
          yield now
        }
      }
    }
  }

  /** A term, if nobody else was faster. */
  async #elect({ id, address }: Candidate): Promise<LeaseTerm | undefined> {
    const { client, clock, leaseMs } = this.#options
    const sentAtMs = clock.monotonicMs()
    const lease = await client.grantLease(Math.ceil(leaseMs / 1_000))
    const release = (): Promise<void> => client.revokeLease(lease.id)
    try {
      const value = Buffer.from(JSON.stringify({ id, address }))
      const { succeeded, revision } = await client.transactSoon({
        compare: [{ key: this.#key, createRevision: 0 }],
        success: [{ put: { key: this.#key, value, lease: lease.id } }],
      })
      if (succeeded) {
        const renew = (): Promise<boolean> => client.renewLease(lease.id)
        return new LeaseTerm({ epoch: revision, leaseMs: lease.ttlSeconds * 1_000, sentAtMs, clock, renew, release })
      }
    } catch (error) {
      // Perhaps it is elected without knowing; then that goes with the lease.
      await release().catch(() => {})
      throw error
    }
    await release()
    return undefined
  }
}

function toLeader({ value, createRevision }: EtcdKeyValue): Leader {
  const { id, address } = JSON.parse(value.toString()) as Candidate
  return { id, address, epoch: createRevision }
}
