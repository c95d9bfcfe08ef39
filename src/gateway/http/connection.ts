import type { Socket } from 'node:net'
import type { Exchange } from './exchange.ts'

/** One client connection: what is under way on it, in the order of the requests. */
export class Connection {
  readonly socket: Socket
  readonly remoteAddress: string
  readonly #open = new Set<Exchange>()
  #latest: Exchange | undefined = undefined
  #countedIn = 0
  #countedOut = 0

  constructor(socket: Socket) {
    this.socket = socket
    this.remoteAddress = socket.remoteAddress ?? ''
  }

  get openCount(): number {
    return this.#open.size
  }

  /** The newest exchange that isn't finished: the one whose body the parser is in, if it is in one. */
  get current(): Exchange | undefined {
    return this.#latest !== undefined && this.#open.has(this.#latest) ? this.#latest : undefined
  }

  get open(): Iterable<Exchange> {
    return this.#open
  }

  begin(exchange: Exchange): void {
    this.#open.add(exchange)
    this.#latest = exchange
  }

  /** False if it had ended before. */
  end(exchange: Exchange): boolean {
    return this.#open.delete(exchange)
  }

  /** Bytes that came and went since the last call. */
  takeTraffic(): { readonly bytesIn: number; readonly bytesOut: number } {
    const { bytesRead, bytesWritten } = this.socket
    const traffic = { bytesIn: bytesRead - this.#countedIn, bytesOut: bytesWritten - this.#countedOut }
    this.#countedIn = bytesRead
    this.#countedOut = bytesWritten
    return traffic
  }
}
