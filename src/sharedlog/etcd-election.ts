import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { EtcdClient } from './etcd-client.ts'
import { encodeBytes } from './etcd-messages.ts'
import type { EtcdKeyValue, RangeAnswer, TxnAnswer, WatchAnswer } from './etcd-messages.ts'
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
  readonly #key: string

  constructor(options: EtcdElectionOptions) {
    this.#options = options
    this.#key = encodeBytes(options.key)
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
      const found: RangeAnswer = await client.ask('kv/range', { key: this.#key })
      const leader = found.kvs?.[0] === undefined ? undefined : toLeader(found.kvs[0])
      // That nobody leads is said again: somebody may have, in between.
      if ((leader === undefined || leader.epoch !== last) && !ended.aborted) yield leader
      last = leader?.epoch
      const request = { create_request: { key: this.#key, start_revision: String(Number(found.header.revision) + 1) } }
      for await (const { events = [], canceled } of client.stream<WatchAnswer>('watch', request, ended)) {
        // Looking again is what there is to do, whatever the reason.
        if (canceled === true) break
        for (const { type, kv } of events) {
          const now = type === 'DELETE' ? undefined : toLeader(kv)
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
    const lease: { ID: string; TTL: string } = await client.call('lease/grant', { TTL: Math.ceil(leaseMs / 1_000) })
    const release = async (): Promise<void> => void (await client.call('lease/revoke', { ID: lease.ID }))
    try {
      const answer: TxnAnswer = await client.call('kv/txn', {
        compare: [{ target: 'CREATE', key: this.#key, create_revision: '0' }],
        success: [{ request_put: { key: this.#key, value: encodeBytes(JSON.stringify({ id, address })), lease: lease.ID } }],
      })
      if (answer.succeeded === true) {
        const epoch = Number(answer.header.revision)
        return new LeaseTerm({
          epoch,
          leaseMs: Number(lease.TTL) * 1_000,
          sentAtMs,
          clock,
          renew: () => this.#renew(lease.ID),
          release,
        })
      }
    } catch (error) {
      // Perhaps it is elected without knowing; then that goes with the lease.
      await release().catch(() => {})
      throw error
    }
    await release()
    return undefined
  }

  async #renew(lease: string): Promise<boolean> {
    const answer: { result?: { TTL?: string } } = await this.#options.client.call('lease/keepalive', { ID: lease })
    return Number(answer.result?.TTL ?? 0) > 0
  }
}

function toLeader({ value = '', create_revision }: EtcdKeyValue): Leader {
  const { id, address } = JSON.parse(Buffer.from(value, 'base64').toString()) as Candidate
  return { id, address, epoch: Number(create_revision) }
}
