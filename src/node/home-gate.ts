import { ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { Leadership } from './leadership.ts'

/** A door that is only open where the volumes are. Elsewhere it says where that is, but for what `isServedHere`. */
export class HomeGate implements Door {
  readonly name: string
  readonly #door: Door
  readonly #leadership: Leadership
  readonly #isServedHere: (exchange: Exchange) => boolean

  constructor(door: Door, options: { readonly leadership: Leadership; isServedHere(exchange: Exchange): boolean }) {
    this.name = door.name
    this.#door = door
    this.#leadership = options.leadership
    this.#isServedHere = options.isServedHere
  }

  handle(exchange: Exchange): void | Promise<void> {
    if (this.#leadership.isLeading || this.#isServedHere(exchange)) return this.#door.handle(exchange)
    const leader = this.#leadership.leader()
    const where = leader === undefined ? 'is not known yet' : `is ${leader.nodeId} at ${leader.host}`
    throw new ShoalError('UNAVAILABLE', `The volumes are served from another node of the cluster, which ${where}: send it there`)
  }

  fail(exchange: Exchange, error: ShoalError): void {
    this.#door.fail(exchange, error)
  }
}
