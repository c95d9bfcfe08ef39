import { isShoalError } from '#foundation/errors.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { isForTheWriter } from '#kv/following-store.ts'
import { isReading } from './connection-shares.ts'
import type { FollowerReads } from './follower-reads.ts'

/** A longer question is for the leader. Clients ask for a few properties in some hundred bytes. */
const QUESTION_BYTES_MAX = 64 * 1024
const STALE_QUERY = /(?:^|&)consistency=stale(?:&|$)/

export interface FollowerDoorOptions {
  /** Over this node's copy of the metadata, which it only reads. */
  readonly door: Door
  /** Serves everything else, or sends it on. */
  readonly elsewhere: Door
  readonly reads: Pick<FollowerReads, 'isReadyNow' | 'isReady' | 'count'>
  /** Whether this node leads: then it has something better than a copy. */
  readonly isLeading: () => boolean
  /** What is worth a try. */
  readonly mayTry: (exchange: Exchange) => boolean
}

/** Answers what only reads, as far as a node can that doesn't lead. No list says what that is: what turns out to need the leader before the
 *  answer has begun goes there after all, and so does everything while nobody can say whether the copy here is up to date. */
export class FollowerDoor implements Door {
  readonly name: string
  readonly #options: FollowerDoorOptions

  constructor(options: FollowerDoorOptions) {
    this.#options = options
    this.name = options.door.name
  }

  handle(exchange: Exchange): void | Promise<void> {
    const { elsewhere, isLeading, mayTry } = this.#options
    if (isLeading() || !isQuestion(exchange) || !mayTry(exchange)) return elsewhere.handle(exchange)
    return this.#try(exchange)
  }

  fail(exchange: Exchange, error: ShoalError): void {
    this.#options.elsewhere.fail(exchange, error)
  }

  async #try(exchange: Exchange): Promise<void> {
    const { door, elsewhere, reads } = this.#options
    // Whoever answers has it then.
    if (exchange.lengthBytes !== 0) await exchange.keepBody(QUESTION_BYTES_MAX)
    const isStale = asksForStale(exchange)
    if (reads.isReadyNow() || (await reads.isReady({ isStale }))) {
      try {
        await door.handle(exchange)
        return reads.count(isStale ? 'stale' : 'linearizable')
      } catch (error) {
        // Only the door elsewhere knows of eventual volumes.
        const isElsewhere = isForTheWriter(error) || isShoalError(error, 'VOLUME_NOT_FOUND')
        if (!isElsewhere || exchange.response.headersSent) throw error
      }
    }
    reads.count('sent-on')
    await elsewhere.handle(exchange)
  }
}

/** GET, HEAD, and PROPFIND, whose body says what is asked for (RFC 4918, section 9.1). */
function isQuestion(exchange: Exchange): boolean {
  const { lengthBytes, method } = exchange
  if (isReading(exchange)) return lengthBytes === 0
  return method === 'PROPFIND' && lengthBytes !== undefined && lengthBytes <= QUESTION_BYTES_MAX
}

/** `X-Shoal-Consistency: stale` at any door; over REST the query says it too. */
export function asksForStale({ headers, query }: Pick<Exchange, 'headers' | 'query'>): boolean {
  // Hardly any has the word at all, and a pattern takes its time for a long one.
  return headers['x-shoal-consistency'] === 'stale' || (query.includes('consistency=') && STALE_QUERY.test(query))
}
