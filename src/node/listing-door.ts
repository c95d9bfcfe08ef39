import { isShoalError } from '#foundation/errors.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'

export interface ListingDoorOptions {
  /** Says what this node knows, and what it doesn't. */
  readonly here: Door
  /** Sends requests to whoever knows everything. */
  readonly elsewhere: Door
  isListing(exchange: Exchange): boolean
  /** Whether anybody leads and answers. Asked for listings alone. */
  hasLeader(): Promise<boolean>
}

/** A longer question is for who leads. WebDAV clients ask for a few properties in some hundred bytes. */
export const QUESTION_BYTES_MAX = 64 * 1024

/** Serves the listings of volumes here when nobody can be reached who knows all of them: a list that says what is missing is worth more than
 *  none. Everything else goes elsewhere. */
export class ListingDoor implements Door {
  readonly name: string
  readonly #options: ListingDoorOptions

  constructor(options: ListingDoorOptions) {
    this.#options = options
    this.name = options.here.name
  }

  handle(exchange: Exchange): void | Promise<void> {
    const { elsewhere, isListing } = this.#options
    return isListing(exchange) ? this.#list(exchange) : elsewhere.handle(exchange)
  }

  fail(exchange: Exchange, error: ShoalError): void {
    this.#options.elsewhere.fail(exchange, error)
  }

  async #list(exchange: Exchange): Promise<void> {
    const { here, elsewhere, hasLeader } = this.#options
    // Whoever answers has it then.
    if (exchange.lengthBytes !== 0) await exchange.keepBody(QUESTION_BYTES_MAX)
    if (!(await hasLeader())) return here.handle(exchange)
    try {
      await elsewhere.handle(exchange)
    } catch (error) {
      if (!isShoalError(error, 'UNAVAILABLE') || exchange.response.headersSent) throw error
      await here.handle(exchange)
    }
  }
}
