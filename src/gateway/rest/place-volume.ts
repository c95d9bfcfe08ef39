import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { ShoalError } from '#foundation/errors.ts'

const VOLUME = /^\/api\/v1\/volumes\/[^/]+$/
/** A request to make a volume is shorter by far; a longer one is for whoever serves all others. */
const BODY_BYTES_MAX = 64 * 1024

/** Serves requests that make an eventual volume here, where any other that changes a volume may be for another node. */
export class PlacingDoor implements Door {
  readonly name: string
  readonly #here: Door
  readonly #elsewhere: Door

  constructor({ here, elsewhere }: { readonly here: Door; readonly elsewhere: Door }) {
    this.name = here.name
    this.#here = here
    this.#elsewhere = elsewhere
  }

  handle(exchange: Exchange): void | Promise<void> {
    const { method, path, lengthBytes } = exchange
    const makesVolume = method === 'PUT' && VOLUME.test(path)
    if (!makesVolume || (lengthBytes ?? Infinity) > BODY_BYTES_MAX) return this.#elsewhere.handle(exchange)
    return this.#place(exchange)
  }

  fail(exchange: Exchange, error: ShoalError): void {
    this.#elsewhere.fail(exchange, error)
  }

  async #place(exchange: Exchange): Promise<void> {
    const body = await exchange.keepBody(BODY_BYTES_MAX)
    const door = isEventual(body) ? this.#here : this.#elsewhere
    return door.handle(exchange)
  }
}

/** What is no JSON is told so by whoever serves it. */
function isEventual(body: Buffer): boolean {
  try {
    const asked = JSON.parse(body.toString('utf8')) as { readonly consistency?: unknown } | null
    return asked?.consistency === 'eventual'
  } catch {
    return false
  }
}
