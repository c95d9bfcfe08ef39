import { ShoalError } from '#foundation/errors.ts'
import type { ExchangeRequest } from './exchange.ts'

/** Received but not yet consumed bytes at which the sender is held back, and at which it may go on. */
const HIGH_WATER_BYTES = 1024 * 1024
const LOW_WATER_BYTES = 256 * 1024

interface Waiter {
  resolve(result: IteratorResult<Buffer, undefined>): void
  reject(error: unknown): void
}

interface Taker {
  take(piece: Buffer): number | undefined
  resolve(isStopped: boolean): void
  reject(error: unknown): void
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The body of one request as a stream of the buffers that came from the socket, uncopied, with back-pressure; or filled into the
 *  consumer's own. One consumer, once. @throws INCOMPLETE_BODY when the connection ended before the body did; TIMEOUT for a sender that
 *  stalls; TOO_LARGE past `maxBytes` */
export class RequestBody implements AsyncIterableIterator<Buffer> {
  readonly #request: Pick<ExchangeRequest, 'pause' | 'resume'>
  readonly #lengthBytes: number | undefined
  #maxBytes: number
  readonly #settled: (body: RequestBody) => void
  #queue: Buffer[] = []
  #queuedBytes = 0
  #waiter: Waiter | undefined
  #taker: Taker | undefined
  #ended = false
  #error: unknown
  #paused = false
  receivedBytes = 0
  /** For the sweep that finds stalled senders: ticks spent waiting since `markedBytes` had been received. */
  waitedTicks = 0
  markedBytes = 0

  /** `settled` is called once: the body has ended or failed. `lengthBytes`: as announced, if it was. */
  constructor(
    request: Pick<ExchangeRequest, 'pause' | 'resume'>,
    options: {
      readonly lengthBytes: number | undefined
      readonly maxBytes: number
      readonly settled: (body: RequestBody) => void
    },
  ) {
    this.#request = request
    this.#lengthBytes = options.lengthBytes
    this.#maxBytes = options.maxBytes
    this.#settled = options.settled
  }

  /** Whether the server waits for the sender, rather than the other way round. */
  get waiting(): boolean {
    return this.#waiter !== undefined || this.#taker !== undefined
  }

  get ended(): boolean {
    return this.#ended
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** For the request's events. */
  accept(chunk: Buffer): void {
    if (this.#ended || this.#error !== undefined) return
    this.receivedBytes += chunk.length
    if (this.receivedBytes > this.#maxBytes) {
      this.fail(tooLong(this.#maxBytes))
      return
    }
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      waiter.resolve({ done: false, value: chunk })
    } else {
      this.#queue.push(chunk)
      this.#queuedBytes += chunk.length
      if (this.#taker !== undefined) this.#give(this.#taker)
      else if (this.#queuedBytes >= HIGH_WATER_BYTES && !this.#paused) {
        this.#paused = true
        this.#request.pause()
      }
    }
    // The parser lets no byte past Content-Length through: no need to wait for the event that says so.
    if (this.receivedBytes === this.#lengthBytes) this.finish()
  }

  /** For the request's events. */
  finish(): void {
    if (this.#ended || this.#error !== undefined) return
    this.#ended = true
    this.#settled(this)
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.resolve(DONE)
    if (this.#taker !== undefined) this.#give(this.#taker)
  }

  fail(error: unknown): void {
    if (this.#ended || this.#error !== undefined) return
    this.#error = error
    this.#queue = []
    this.#queuedBytes = 0
    this.#settled(this)
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.reject(error)
    if (this.#taker !== undefined) this.#give(this.#taker)
  }

  next(): Promise<IteratorResult<Buffer, undefined>> {
    const chunk = this.#queue.shift()
    if (chunk !== undefined) {
      this.#queuedBytes -= chunk.length
      this.#goOn()
      return Promise.resolve({ done: false, value: chunk })
    }
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#ended) return Promise.resolve(DONE)
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  /** Gives each piece to `take` in the turn in which it comes, in place of `next`: a promise for each piece costs more than to copy it. `take` answers
   *  nothing as long as it wants more; or where in the piece it stops, and what is behind that comes first the next time. Resolves with whether it
   *  has stopped: if not, all has been taken. @throws as `next` does; what `take` throws */
  each(take: (piece: Buffer) => number | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const taker: Taker = { take, resolve, reject }
      this.#taker = taker
      this.#give(taker)
    })
  }

  /** Puts what comes next into `target`: how many bytes that were, fewer than there is room for only at the end. */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0
    await this.each((piece) => {
      const length = Math.min(piece.length, target.length - filled)
      target.set(length === piece.length ? piece : piece.subarray(0, length), filled)
      filled += length
      return filled === target.length ? length : undefined
    })
    return filled
  }

  /** Gives back what was read: it is read again, before the rest. */
  unread(pieces: readonly Buffer[]): void {
    this.#queue.unshift(...pieces)
    for (const { length } of pieces) this.#queuedBytes += length
  }

  /** @throws TOO_LARGE */
  limit(maxBytes: number): void {
    this.#maxBytes = maxBytes
    if (this.receivedBytes > maxBytes) throw tooLong(maxBytes)
  }

  /** The consumer has lost interest: what still comes is dropped when the response is sent. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#queue = []
    this.#queuedBytes = 0
    return Promise.resolve(DONE)
  }

  /** Frees the memory of a piece at once. Left to the collector, the 16,384 pieces of 1 GiB make it run some fifty times,
   *  which took a third of an upload's processor time. */
  release(piece: Uint8Array): void {
    const { buffer } = piece
    if (buffer instanceof ArrayBuffer && buffer.byteLength === piece.byteLength) buffer.transfer(0)
  }

  #give(taker: Taker): void {
    let stop: number | undefined
    try {
      for (let piece = this.#queue.shift(); piece !== undefined; piece = stop === undefined ? this.#queue.shift() : undefined) {
        this.#queuedBytes -= piece.length
        stop = taker.take(piece)
        if (stop === undefined || stop === piece.length) this.release(piece)
        else this.unread([piece.subarray(stop)])
      }
    } catch (error) {
      this.#taker = undefined
      return taker.reject(error)
    }
    const isOver = stop !== undefined || this.#error !== undefined || this.#ended
    if (isOver) this.#taker = undefined
    if (stop !== undefined) taker.resolve(true)
    else if (this.#error !== undefined) taker.reject(this.#error)
    else if (this.#ended) taker.resolve(false)
    this.#goOn()
  }

  /** What comes in the same turn is taken at once: so it is the last that whoever takes from the queue does. */
  #goOn(): void {
    if (!this.#paused || this.#queuedBytes > LOW_WATER_BYTES) return
    this.#paused = false
    this.#request.resume()
  }

  /** The whole body in one buffer: only for bodies with a small `maxBytes`. */
  async collect(): Promise<Buffer> {
    const first = await this.next()
    if (first.done === true) return EMPTY
    if (first.value.length === this.#lengthBytes) return first.value
    const pieces = [first.value]
    for (let piece = await this.next(); piece.done !== true; piece = await this.next()) pieces.push(piece.value)
    return pieces.length === 1 ? first.value : Buffer.concat(pieces)
  }
}

const EMPTY = Buffer.alloc(0)

function tooLong(maxBytes: number): ShoalError {
  return new ShoalError('TOO_LARGE', `The body is longer than the ${maxBytes} bytes that are allowed here`, {
    details: { maxBytes },
  })
}
