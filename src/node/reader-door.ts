import { isShoalError } from '#foundation/errors.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { isForTheWriter } from '#kv/following-store.ts'
import { isReading } from './connection-shares.ts'

export interface ReaderDoorOptions {
  /** Over a store that can only be read. */
  readonly door: Door
  /** Sends every request to the thread that writes. */
  readonly forward: Door
  /** What is worth a try; all that only reads unless given. */
  readonly mayTry?: (exchange: Exchange) => boolean
  /** Whether what this thread keeps in memory, keys above all, is what there is. */
  readonly isCurrent: () => boolean
}

/** Answers what only reads, as far as this thread can, and sends everything else to the one that writes. No list says what that
 *  is: whatever turns out to need the writer before the answer has begun goes there after all. */
export class ReaderDoor implements Door {
  readonly name: string
  readonly #options: ReaderDoorOptions

  constructor(options: ReaderDoorOptions) {
    this.#options = options
    this.name = options.door.name
  }

  async handle(exchange: Exchange): Promise<void> {
    const { door, forward, mayTry, isCurrent } = this.#options
    const isOurs = isReading(exchange) && exchange.lengthBytes === 0 && mayTry?.(exchange) !== false
    if (!isOurs || !isCurrent()) return forward.handle(exchange)
    try {
      await door.handle(exchange)
    } catch (error) {
      // Only the thread that writes knows of eventual volumes.
      const isElsewhere = isForTheWriter(error) || isShoalError(error, 'VOLUME_NOT_FOUND')
      if (!isElsewhere || exchange.response.headersSent) throw error
      await forward.handle(exchange)
    }
  }

  fail(exchange: Exchange, error: ShoalError): void {
    this.#options.door.fail(exchange, error)
  }
}
