import { ShoalError } from '#foundation/errors.ts'
import type { CreditPool } from './credit-pool.ts'
import { DATA_FRAME_COST_BYTES, FIRST_WINDOW_BYTES } from './limits.ts'

export interface IncomingBodyOptions {
  readonly pool: CreditPool
  readonly windowBytesMax: number
  /** Tells the sender that it may send so much more. */
  grant(bytes: number): void
  /** The reader wants no more of a body that hasn't ended. */
  abandoned(): void
}

/** Who takes each piece as it comes. */
interface Taker {
  take(bytes: Buffer): void
  settle(error: ShoalError | undefined): void
}

/** The body of a call as it comes in, for one reader. What has come and isn't read yet is bounded by the window: its sender
 *  may only send what was granted (as HTTP/2 does, RFC 9113, section 5.2). The window starts small and doubles while it is
 *  used up, as long as the pool has something. */
export class IncomingBody implements AsyncIterableIterator<Buffer> {
  readonly #options: IncomingBodyOptions
  #pieces: { readonly bytes: Buffer; readonly cost: number }[] = []
  #windowBytes = FIRST_WINDOW_BYTES
  /** What may still come. */
  #creditBytes = FIRST_WINDOW_BYTES
  /** What was read and not granted again yet. */
  #readBytes = 0
  /** What was read since the window last grew. */
  #readSinceGrowth = 0
  #outcome: { readonly error: ShoalError | undefined } | undefined
  #reader: ((result: IteratorResult<Buffer> | Promise<never>) => void) | undefined
  #taker: Taker | undefined
  #isPaused = false

  constructor(options: IncomingBodyOptions) {
    this.#options = options
  }

  /** Takes bytes of a DATA frame; false if the sender may not send so much. */
  push(bytes: Buffer, isFirst: boolean): boolean {
    if (this.#outcome !== undefined) return true
    const cost = bytes.length + (isFirst ? DATA_FRAME_COST_BYTES : 0)
    this.#creditBytes -= cost
    if (this.#creditBytes < 0) return false
    const taker = this.#taker
    if (taker !== undefined && !this.#isPaused) {
      this.#wasRead(cost)
      taker.take(bytes)
      return true
    }
    const reader = this.#reader
    if (reader === undefined) {
      this.#pieces.push({ bytes, cost })
      return true
    }
    this.#reader = undefined
    this.#wasRead(cost)
    reader({ done: false, value: bytes })
    return true
  }

  /** Nothing more comes. What has come can still be read. */
  end(): void {
    this.#finish(undefined)
  }

  /** Nothing more comes, and the reader gets this error; what has come and isn't read is lost. Once it has ended, nothing can
   *  happen to it any more. */
  fail(error: ShoalError): void {
    if (this.#outcome !== undefined) return
    this.#pieces = []
    this.#finish(error)
  }

  get isEnded(): boolean {
    return this.#outcome !== undefined
  }

  next(): Promise<IteratorResult<Buffer>> {
    const piece = this.#pieces.shift()
    if (piece !== undefined) {
      if (this.#outcome === undefined) this.#wasRead(piece.cost)
      return Promise.resolve({ done: false, value: piece.bytes })
    }
    if (this.#outcome !== undefined) return this.#outcome.error === undefined ? DONE : Promise.reject(this.#outcome.error)
    if (this.#reader !== undefined) return Promise.reject(new ShoalError('INTERNAL', 'A body has one reader at a time'))
    return new Promise((resolve) => {
      this.#reader = resolve
    })
  }

  /** Gives each piece to `take` in the turn in which it comes, in place of `next`: a promise for each piece costs more than to copy it. Resolves
   *  once all have been taken. @throws what the body has failed with; what `take` throws, after which the body is cancelled */
  each(take: (bytes: Buffer) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const taker: Taker = {
        take: (bytes) => {
          try {
            take(bytes)
          } catch (error) {
            this.#taker = undefined
            this.cancel()
            reject(error as Error)
          }
        },
        settle: (error) => (error === undefined ? resolve() : reject(error)),
      }
      this.#taker = taker
      this.#takeWaiting(taker)
    })
  }

  /** Holds back what `each` would give, and so in the end the sender. */
  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    if (this.#taker !== undefined) this.#takeWaiting(this.#taker)
  }

  /** The reader wants no more. Repeating it is harmless. */
  async return(): Promise<IteratorResult<Buffer>> {
    this.cancel()
    return { done: true, value: undefined }
  }

  /** As `return`. */
  cancel(): void {
    const isWanted = this.#outcome === undefined
    this.#pieces = []
    this.#finish(undefined)
    if (isWanted) this.#options.abandoned()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #finish(error: ShoalError | undefined): void {
    if (this.#outcome !== undefined) return
    this.#outcome = { error }
    this.#options.pool.giveBack(this.#windowBytes - FIRST_WINDOW_BYTES)
    this.#windowBytes = FIRST_WINDOW_BYTES
    this.#reader?.(error === undefined ? { done: true, value: undefined } : Promise.reject(error))
    this.#reader = undefined
    if (this.#taker !== undefined) this.#takeWaiting(this.#taker)
  }

  #takeWaiting(taker: Taker): void {
    while (!this.#isPaused && this.#taker === taker) {
      const piece = this.#pieces.shift()
      if (piece === undefined) break
      if (this.#outcome === undefined) this.#wasRead(piece.cost)
      taker.take(piece.bytes)
    }
    if (this.#outcome === undefined || this.#pieces.length > 0 || this.#taker !== taker) return
    this.#taker = undefined
    taker.settle(this.#outcome.error)
  }

  #wasRead(cost: number): void {
    this.#readBytes += cost
    this.#readSinceGrowth += cost
    if (this.#readBytes < this.#windowBytes / 2) return
    let granted = this.#readBytes
    if (this.#readSinceGrowth >= this.#windowBytes && this.#windowBytes * 2 <= this.#options.windowBytesMax) {
      if (this.#options.pool.take(this.#windowBytes)) {
        granted += this.#windowBytes
        this.#windowBytes *= 2
      }
      this.#readSinceGrowth = 0
    }
    this.#readBytes = 0
    this.#creditBytes += granted
    this.#options.grant(granted)
  }
}

const DONE: Promise<IteratorReturnResult<undefined>> = Promise.resolve({ done: true, value: undefined })
