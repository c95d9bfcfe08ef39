import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Socket } from '#platform/sockets.ts'
import { FRAME, FrameReader, HEAD_BYTES, encodeFrame, violation, writeHead } from './frames.ts'
import type { Frame } from './frames.ts'
import type { WireLimits } from './limits.ts'
import { decodeError, decodeHello, encodeError, encodeHello } from './messages.ts'
import type { Hello } from './messages.ts'

export interface LinkOptions {
  readonly socket: Socket
  readonly clock: Clock
  readonly limits: WireLimits
  readonly hello: Hello
}

export interface LinkRole {
  /** Who calls says HELLO first; the other side answers with its own once it has seen that one, and accepts it. */
  readonly greetsFirst: boolean
}

/** What both sides of a connection make of what comes in. What any of them throws as a `ShoalError` fails the connection, and the
 *  other side is told. */
export interface LinkEvents {
  /** The other side's first word, once. */
  greeted(hello: Hello): void
  /** A frame of a call, or a GOODBYE. */
  frame(frame: Frame, payload: Buffer): void
  data(call: number, bytes: Buffer, isFirst: boolean): void
  /** The last event. `error`: what calls that are under way fail with. */
  closed(error: ShoalError): void
}

interface WaitingFrame {
  readonly pieces: readonly Uint8Array[]
  readonly resolve: () => void
  readonly reject: (error: ShoalError) => void
}

const NO_CALL = { flags: 0, call: 0 } as const
const PING_PAYLOAD = Buffer.from('shoal-up')

/** A connection as both sides have it: frames in and out, the greeting, signs of life, and the end. */
export class Link {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #limits: WireLimits
  readonly #hello: Hello
  readonly #events: LinkEvents
  readonly #reader: FrameReader
  readonly #ended = new AbortController()
  /** What waits for the socket, in order; each call has one frame here at most. */
  #waiting: WaitingFrame[] = []
  #isFull = false
  #isGreeted = false
  #hasReceived = false
  #error: ShoalError | undefined
  #isClosed = false

  constructor({ socket, clock, limits, hello }: LinkOptions, { greetsFirst }: LinkRole, events: LinkEvents) {
    this.#hello = hello
    this.#socket = socket
    this.#clock = clock
    this.#limits = limits
    this.#events = events
    this.#reader = new FrameReader({
      frame: (frame, payload) => this.#take(frame, payload),
      data: (call, bytes, isFirst) => {
        // What comes after the connection was failed from this side is of no interest.
        if (this.#error === undefined) events.data(call, bytes, isFirst)
      },
    })
    socket.open({
      received: (piece) => this.#received(piece),
      drained: () => this.#drained(),
      closed: (cause) => this.#closed(cause),
    })
    if (greetsFirst) this.greet()
    void this.#watch()
  }

  /** Whether frames can still be sent. */
  get isOpen(): boolean {
    return this.#error === undefined && !this.#isClosed
  }

  /** What it has failed with, or was closed with. */
  get error(): ShoalError | undefined {
    return this.#error
  }

  greet(): void {
    this.send(encodeHello(this.#hello))
  }

  /** Sends a frame at once, before what waits for its turn. */
  send(frame: Buffer): void {
    if (!this.isOpen) return
    if (!this.#socket.write([frame])) this.#isFull = true
    if (this.#socket.waitingBytes > this.#limits.waitingBytesMax) this.destroy(unavailable('the other side takes nothing in'))
  }

  /** Whether so much waits that no further call should be begun. */
  get isCrowded(): boolean {
    return this.#socket.waitingBytes > this.#limits.waitingBytesMax / 2
  }

  /** Sends a frame of DATA, uncopied: `bytes` must not change any more. As `sendInTurn`. */
  sendData(call: number, bytes: Uint8Array): Promise<void> | undefined {
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    writeHead(head, { type: FRAME.DATA, flags: 0, call }, bytes.length)
    return this.sendInTurn([head, bytes])
  }

  /** Sends a frame that may be large, when the socket takes it. A promise if that isn't now. @throws what the connection fails with */
  sendInTurn(pieces: readonly Uint8Array[]): Promise<void> | undefined {
    if (this.#error !== undefined) throw this.#error
    if (!this.#isFull && this.#waiting.length === 0) {
      this.#isFull = !this.#socket.write(pieces)
      return undefined
    }
    return new Promise((resolve, reject) => void this.#waiting.push({ pieces, resolve, reject }))
  }

  /** Tells the other side why, and closes. */
  fail(error: ShoalError): void {
    if (!this.isOpen) return
    this.send(encodeError(0, error))
    this.#end(error)
  }

  /** Closes in order, when no call is under way. */
  close(): void {
    if (this.isOpen) this.#end(unavailable('it was closed'))
  }

  /** Closes at once. */
  destroy(error: ShoalError): void {
    this.#error ??= error
    this.#socket.destroy()
  }

  #end(error: ShoalError): void {
    this.#error = error
    this.#socket.end()
    this.#clock.sleep(this.#limits.lingerMs, this.#ended.signal).then(
      () => this.#socket.destroy(),
      () => undefined,
    )
  }

  #received(piece: Buffer): void {
    this.#hasReceived = true
    if (this.#error !== undefined) return
    try {
      this.#reader.push(piece)
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      this.fail(error)
    }
  }

  #take(frame: Frame, payload: Buffer): void {
    if (this.#error !== undefined) return
    if (frame.type === FRAME.HELLO) {
      if (this.#isGreeted) throw violation('it says HELLO twice')
      this.#isGreeted = true
      this.#events.greeted(decodeHello(payload))
    } else if (frame.type === FRAME.PING) {
      this.send(encodeFrame({ type: FRAME.PONG, ...NO_CALL }, payload))
    } else if (frame.type === FRAME.ERROR && frame.call === 0) {
      this.#end(decodeError(payload))
    } else if (frame.type !== FRAME.PONG) {
      this.#events.frame(frame, payload)
    }
  }

  #drained(): void {
    this.#isFull = false
    let written = 0
    for (const { pieces, resolve } of this.#waiting) {
      written += 1
      this.#isFull = !this.#socket.write(pieces)
      resolve()
      if (this.#isFull) break
    }
    this.#waiting.splice(0, written)
  }

  #closed(cause: Error | undefined): void {
    this.#isClosed = true
    this.#error ??= unavailable(cause === undefined ? 'the other side closed it' : cause.message, cause)
    this.#ended.abort()
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(this.#error)
    this.#events.closed(this.#error)
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ended
    const { handshakeMs, quietMs } = this.#limits
    try {
      await this.#clock.sleep(handshakeMs, signal)
      if (!this.#isGreeted) this.destroy(new ShoalError('TIMEOUT', `The other side did not say HELLO within ${handshakeMs} ms`))
      for (let isAsked = false; this.isOpen;) {
        this.#hasReceived = false
        await this.#clock.sleep(quietMs, signal)
        if (this.#hasReceived) isAsked = false
        else if (isAsked) this.destroy(unavailable(`nothing came for ${2 * quietMs} ms`))
        else {
          isAsked = true
          this.send(encodeFrame({ type: FRAME.PING, ...NO_CALL }, PING_PAYLOAD))
        }
      }
    } catch {
      // The connection has ended.
    }
  }
}

function unavailable(why: string, cause?: Error): ShoalError {
  return new ShoalError('UNAVAILABLE', `The connection to the other node was lost: ${why}`, { cause })
}
