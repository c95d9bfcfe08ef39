import type { Clock } from './clock.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { Connector, Listener, ListenOptions, Listeners, PeerProof, Socket, SocketAddress, SocketEvents } from './sockets.ts'
import { systemError } from './system-error.ts'

const WAITING_BYTES_HIGH = 512 * 1024

export interface MemoryNetworkOptions {
  readonly clock: Clock
  readonly random: SeededRandom
  /** How long bytes are on their way, from a minimum to a maximum; 0 unless given. Asked each time. */
  readonly delayMs?: () => readonly [min: number, max: number]
}

/** What a host shows to whoever it connects with. */
export interface MemoryHost extends Connector, Listeners {
  proof: PeerProof
}

/** A network in memory: hosts with names that connect to each other, delays, cuts and crashes. Bytes arrive in pieces of
 *  random sizes. Everything that is random comes from the seed. */
export class MemoryNetwork {
  readonly #options: MemoryNetworkOptions
  readonly #listening = new Map<string, { readonly host: MemoryHost; readonly options: ListenOptions }>()
  readonly #ends = new Set<MemorySocket>()
  readonly #cuts = new Set<string>()
  #port = 10_000

  constructor(options: MemoryNetworkOptions) {
    this.#options = options
  }

  host(name: string, proof: PeerProof = { kind: 'plain' }): MemoryHost {
    const host: MemoryHost = {
      proof,
      connect: (address, signal) => this.#connect(name, host, address, signal),
      listen: (address, options) => this.#listen(name, host, address, options),
    }
    return host
  }

  /** From now on nothing that `from` sends reaches `to`, until `heal`: it waits on the way, as TCP repeats it. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`)
  }

  heal(from: string, to: string): void {
    this.#cuts.delete(`${from} ${to}`)
    for (const end of this.#ends) end.deliver()
  }

  /** The host dies: its connections are reset, and it listens no more. */
  kill(name: string): void {
    for (const key of this.#listening.keys()) if (key.startsWith(`${name}:`)) this.#listening.delete(key)
    this.reset(name)
  }

  /** The host's connections are reset, as by a restart that is over at once. */
  reset(name: string): void {
    for (const end of this.#ends) if (end.from === name) end.destroy()
  }

  /** How many connections have not been closed at both ends. */
  get openConnections(): number {
    return Math.ceil(this.#ends.size / 2)
  }

  async #connect(from: string, host: MemoryHost, { host: to, port }: SocketAddress, signal?: AbortSignal): Promise<Socket> {
    await this.delay(signal)
    while (this.#cuts.has(`${from} ${to}`) || this.#cuts.has(`${to} ${from}`)) await this.#options.clock.sleep(100, signal)
    const found = this.#listening.get(`${to}:${port}`)
    if (found === undefined) throw systemError('ECONNREFUSED', `connect ${to}:${port}`)
    const near = new MemorySocket(this, from, to, found.host.proof)
    const far = new MemorySocket(this, to, from, host.proof)
    near.peer = far
    far.peer = near
    for (const end of [near, far]) this.#ends.add(end)
    found.options.accepted(far)
    return near
  }

  async #listen(name: string, host: MemoryHost, { port }: SocketAddress, options: ListenOptions): Promise<Listener> {
    const chosen = port === 0 ? (this.#port += 1) : port
    const key = `${name}:${chosen}`
    if (this.#listening.has(key)) throw systemError('EADDRINUSE', `listen ${key}`)
    const entry = { host, options }
    this.#listening.set(key, entry)
    const close = async (): Promise<void> => {
      if (this.#listening.get(key) === entry) this.#listening.delete(key)
    }
    return { address: { host: name, port: chosen }, close }
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from} ${to}`)
  }

  forget(end: MemorySocket): void {
    this.#ends.delete(end)
  }

  async delay(signal?: AbortSignal): Promise<void> {
    const [min, max] = this.#options.delayMs?.() ?? [0, 0]
    if (max === 0) return
    await this.#options.clock.sleep(min + this.#options.random.fraction() * (max - min), signal)
  }

  /** Up to where the next piece goes. */
  pieceBytes(waiting: number): number {
    const { random } = this.#options
    return random.chance(0.5) ? waiting : 1 + random.below(waiting)
  }
}

type Item = Buffer | 'end'

class MemorySocket implements Socket {
  readonly from: string
  readonly remoteAddress: string
  readonly proof: PeerProof
  peer: MemorySocket | undefined
  readonly #network: MemoryNetwork
  #events: SocketEvents | undefined
  /** On the way to the peer. */
  #sent: Item[] = []
  #isDelivering = false
  #isClosed = false
  #isEnding = false
  #failure: Error | undefined
  #wasFull = false
  waitingBytes = 0

  constructor(network: MemoryNetwork, from: string, to: string, proof: PeerProof) {
    this.#network = network
    this.from = from
    this.remoteAddress = to
    this.proof = proof
  }

  open(events: SocketEvents): void {
    this.#events = events
    if (this.#isClosed) queueMicrotask(() => events.closed(this.#failure))
    else this.peer?.deliver()
  }

  write(pieces: readonly Uint8Array[]): boolean {
    if (this.#isClosed || this.#isEnding) return true
    for (const piece of pieces) {
      if (piece.length === 0) continue
      this.#sent.push(Buffer.from(piece))
      this.waitingBytes += piece.length
    }
    this.deliver()
    this.#wasFull ||= this.waitingBytes >= WAITING_BYTES_HIGH
    return this.waitingBytes < WAITING_BYTES_HIGH
  }

  end(): void {
    if (this.#isClosed || this.#isEnding) return
    this.#isEnding = true
    this.#sent.push('end')
    this.deliver()
  }

  destroy(): void {
    const peer = this.peer
    this.#close(undefined)
    if (peer !== undefined) queueMicrotask(() => peer.#close(systemError('ECONNRESET', 'read')))
  }

  /** Starts to hand over what waits, unless that is under way. */
  deliver(): void {
    if (this.#isDelivering || this.#sent.length === 0) return
    this.#isDelivering = true
    void this.#run()
  }

  async #run(): Promise<void> {
    await Promise.resolve()
    const { peer } = this
    try {
      while (this.#sent.length > 0 && peer !== undefined) {
        await this.#network.delay()
        if (this.#isClosed || peer.#isClosed || peer.#events === undefined) return
        if (this.#network.isCut(this.from, peer.from)) return
        this.#handOver(peer, peer.#events)
      }
    } finally {
      this.#isDelivering = false
    }
  }

  #handOver(peer: MemorySocket, events: SocketEvents): void {
    if (this.#sent[0] === 'end') {
      this.#sent = []
      peer.#close(undefined)
      this.#close(undefined)
      return
    }
    const end = this.#sent.indexOf('end')
    const bytes = Buffer.concat(this.#sent.splice(0, end === -1 ? this.#sent.length : end) as Buffer[])
    const taken = this.#network.pieceBytes(bytes.length)
    if (taken < bytes.length) this.#sent.unshift(bytes.subarray(taken))
    this.waitingBytes -= taken
    events.received(bytes.subarray(0, taken))
    if (this.#wasFull && this.waitingBytes === 0) {
      this.#wasFull = false
      this.#events?.drained()
    }
  }

  #close(cause: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#failure = cause
    this.#sent = []
    this.#network.forget(this)
    const events = this.#events
    if (events !== undefined) queueMicrotask(() => events.closed(cause))
  }
}
