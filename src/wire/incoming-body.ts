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

  constructor(options: IncomingBodyOptions) {
    this.#options = options
  }

  /** Takes bytes of a DATA frame; false if the sender may not send so much. */
  push(bytes: Buffer, isFirst: boolean): boolean {
    if (this.#outcome !== undefined) return true
    const cost = bytes.length + (isFirst ? DATA_FRAME_COST_BYTES : 0)
    this.#creditBytes -= cost
    if (this.#creditBytes < 0) return false
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
