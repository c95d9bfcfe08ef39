import type { Exchange } from './exchange.ts'

/** What is needed of what a connection runs on: a socket, or a call of another node. */
export interface ConnectionSocket {
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Closes once what was written is sent. */
  destroySoon(): void
  /** Cuts the connection. */
  destroy(): unknown
}

/** Who is at the other end. */
export interface ClientFacts {
  /** Empty once it is gone. */
  readonly remoteAddress: string
  /** It speaks TLS. */
  readonly isSecure: boolean
  /** Another node, or another thread of this one, has the connection to the client and sent its request on: these facts are as it told them. */
  readonly isForwarded: boolean
  /** What isn't served here may be sent on: false for what has come from another node. */
  readonly mayForward: boolean
}

/** One client connection: what is under way on it, in the order of the requests. */
export class Connection implements ClientFacts {
  readonly socket: ConnectionSocket
  readonly remoteAddress: string
  readonly isSecure: boolean
  readonly isForwarded: boolean
  readonly mayForward: boolean
  readonly #open = new Set<Exchange>()
  #latest: Exchange | undefined = undefined
  #countedIn = 0
  #countedOut = 0
  #keptSinceMs: number | undefined = undefined

  constructor(socket: ConnectionSocket, client: ClientFacts) {
    this.socket = socket
    this.remoteAddress = client.remoteAddress
    this.isSecure = client.isSecure
    this.isForwarded = client.isForwarded
    this.mayForward = client.mayForward
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

  /** When the last of its requests was done with, in the clock's monotonic time; `undefined` before the first, and while one is under way. */
  get keptSinceMs(): number | undefined {
    return this.#open.size === 0 ? this.#keptSinceMs : undefined
  }

  /** Something has come since the traffic was taken last: the beginning of another request, or what is left of a body. */
  get hasNews(): boolean {
    return this.socket.bytesRead !== this.#countedIn
  }

  begin(exchange: Exchange): void {
    this.#open.add(exchange)
    this.#latest = exchange
  }

  /** False if it had ended before. */
  end(exchange: Exchange, nowMs: number): boolean {
    this.#keptSinceMs = nowMs
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
