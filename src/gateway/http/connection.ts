import type { Exchange } from './exchange.ts'

/** What is needed of what a connection runs on: a socket, or a call of another node. */
export interface ConnectionSocket {
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Closes once what was written is sent. */
  destroySoon(): void
  /** Cuts the connection. */
  destroy(): unknown
  /** Tells its server when so long nothing has come or gone; never with 0. */
  setTimeout?(idleMs: number): unknown
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
  /** The one that is under way, mostly: a set would be rearranged for each. */
  #only: Exchange | undefined = undefined
  /** Those that came before it had ended. */
  #others: Set<Exchange> | undefined = undefined
  #latest: Exchange | undefined = undefined
  #countedIn = 0
  #countedOut = 0
  #keptSinceMs: number | undefined = undefined
  #heldUp = 0
  #heardBytes = -1
  #heardMs = 0

  constructor(socket: ConnectionSocket, client: ClientFacts) {
    this.socket = socket
    this.remoteAddress = client.remoteAddress
    this.isSecure = client.isSecure
    this.isForwarded = client.isForwarded
    this.mayForward = client.mayForward
  }

  get openCount(): number {
    return (this.#only === undefined ? 0 : 1) + (this.#others?.size ?? 0)
  }

  /** The newest exchange that isn't finished: the one whose body the parser is in, if it is in one. */
  get current(): Exchange | undefined {
    const latest = this.#latest
    return latest !== undefined && (latest === this.#only || this.#others?.has(latest) === true) ? latest : undefined
  }

  get open(): Iterable<Exchange> {
    return [...(this.#only === undefined ? [] : [this.#only]), ...(this.#others ?? [])]
  }

  /** When the last of its requests was done with, in the clock's monotonic time; `undefined` before the first, and while one is under way. */
  get keptSinceMs(): number | undefined {
    return this.openCount === 0 ? this.#keptSinceMs : undefined
  }

  /** Something has come since the traffic was taken last: the beginning of another request, or what is left of a body. */
  get hasNews(): boolean {
    return this.socket.bytesRead !== this.#countedIn
  }

  /** For how long nothing has come, as far as those know who ask again and again; 0 while a request is under way, and while the connection is merely kept. */
  silentMs(nowMs: number): number {
    const isWaitedFor = this.openCount === 0 && (this.#keptSinceMs === undefined || this.hasNews)
    const { bytesRead } = this.socket
    if (!isWaitedFor || bytesRead !== this.#heardBytes) this.#heardMs = nowMs
    this.#heardBytes = bytesRead
    return nowMs - this.#heardMs
  }

  /** Somebody waits for its reader, which has to take something each `idleMs`, until `letGo`. A time-out for all others would be put off with each request. */
  holdUp(idleMs: number): void {
    this.#heldUp += 1
    this.socket.setTimeout?.(idleMs)
  }

  letGo(): void {
    this.#heldUp -= 1
    if (this.#heldUp === 0) this.socket.setTimeout?.(0)
  }

  begin(exchange: Exchange): void {
    if (this.openCount === 0) this.#only = exchange
    else (this.#others ??= new Set()).add(exchange)
    this.#latest = exchange
  }

  /** False if it had ended before. */
  end(exchange: Exchange, nowMs: number): boolean {
    this.#keptSinceMs = nowMs
    if (exchange !== this.#only) return this.#others?.delete(exchange) === true
    this.#only = undefined
    return true
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
