import { EventEmitter } from 'node:events'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { ShoalError } from '#foundation/errors.ts'
import type { WireAnswer } from '#wire/methods.ts'
import type { Exchange, ExchangeResponse } from './exchange.ts'
import { HEAD_IN_BODY, encodeAnswerHead, fitsHeader, packHead } from './forward-head.ts'

/** Bytes that nobody has asked for yet at which the door is held up. */
const HIGH_WATER_BYTES = 64 * 1024
/** Longer contents aren't copied next to the head. */
const WHOLE_BYTES_MAX = 16 * 1024
/** Buffers of this length and more may be used again once their writer goes on (`OpenFile.read`), which is before they have
 *  left: they are copied, in steps. */
const REUSED_BYTES_MIN = 256 * 1024
const COPIED_BYTES = 128 * 1024

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The response to a request that another node has sent on: becomes the answer of its call. The first thing that is sent settles
 *  `answer`: a 100, a complete response in one piece, or the head of one whose content follows as the body, as fast as it is asked for.
 *  Which fields belong to a connection (`Connection`, `Transfer-Encoding`) is decided where the client is. */
export class ForwardedResponse extends EventEmitter implements ExchangeResponse, AsyncIterableIterator<Buffer> {
  exchange: Exchange | undefined = undefined
  statusCode = 200
  headersSent = false
  writableEnded = false
  writableNeedDrain = false
  sentBytes = 0
  readonly #answer = Promise.withResolvers<WireAnswer>()
  readonly #isHead: boolean
  /** Of the head, until it is on its way. */
  #headers: string[] | undefined
  #isAnswered = false
  #isStream = false
  #isFinished = false
  #queue: Buffer[] = []
  #copiedBytes = 0
  #queuedBytes = 0
  #failure: ShoalError | undefined
  #wake: (() => void) | undefined

  constructor(method: string) {
    super()
    this.#isHead = method === 'HEAD'
  }

  /** @throws what `refuse` and `cut` were given */
  get answer(): Promise<WireAnswer> {
    return this.#answer.promise
  }

  writeContinue(): void {
    this.#settle({ header: HEAD_IN_BODY, body: this })
  }

  writeHead(status: number, headers: string[]): void {
    for (let at = 0; at < headers.length; at += 2) {
      validateHeaderName(headers[at] as string)
      validateHeaderValue(headers[at] as string, headers[at + 1] as string)
    }
    this.statusCode = status
    this.headersSent = true
    this.#headers = headers
  }

  flushHeaders(): void {
    if (this.#headers !== undefined) this.#sendHead(undefined)
  }

  write(chunk: Buffer | string): boolean {
    this.flushHeaders()
    this.#push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)
    // Nobody asks for more of what was cut off: its writer finds out while it waits.
    this.writableNeedDrain = this.#queuedBytes >= HIGH_WATER_BYTES || this.#failure !== undefined
    return !this.writableNeedDrain
  }

  end(chunk?: Buffer | string, encoding: 'utf8' | 'latin1' = 'utf8'): void {
    if (this.writableEnded) return
    this.writableEnded = true
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    if (this.#headers !== undefined) this.#sendHead(bytes)
    else if (bytes !== undefined) this.#push(bytes)
    if (this.#isStream) this.#wakeUp()
    else this.#finish()
  }

  /** Nothing was begun: the request is for another node. */
  refuse(error: ShoalError): void {
    this.statusCode = 421
    this.writableEnded = true
    this.cut(error)
    this.#finish()
  }

  /** Ends it in the middle. Whoever waits for the answer, or for more of it, gets the error. */
  cut(error: ShoalError): void {
    this.#failure ??= error
    this.#isAnswered = true
    this.#answer.reject(error)
    this.#queue = []
    this.#wakeUp()
  }

  async next(): Promise<IteratorResult<Buffer, undefined>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const piece = this.#take()
      if (piece !== undefined) return { done: false, value: piece }
      if (this.writableEnded) {
        this.#finish()
        return DONE
      }
      const woken = new Promise<void>((resolve) => (this.#wake = resolve))
      if (this.writableNeedDrain) {
        this.writableNeedDrain = false
        this.emit('drain')
      }
      await woken
    }
  }

  /** Nobody wants the rest. That the client is gone is told by the call. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#queue = []
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  get #hasContent(): boolean {
    return !this.#isHead && this.statusCode !== 204 && this.statusCode !== 304
  }

  /** `content`: all that there is, if the response is complete. */
  #sendHead(content: Buffer | undefined): void {
    const text = encodeAnswerHead({ status: this.statusCode, headers: this.#headers as string[] })
    this.#headers = undefined
    const isComplete = this.writableEnded || !this.#hasContent
    const bytes = this.#hasContent ? content : undefined
    const isSmall = (bytes?.length ?? 0) <= WHOLE_BYTES_MAX && fitsHeader(text, bytes?.length ?? 0)
    if (isComplete && isSmall && !this.#isAnswered) {
      this.sentBytes += bytes?.length ?? 0
      this.#settle({ header: packHead(text, bytes).header })
      return
    }
    // After a 100 the head is what the body begins with.
    const { header, inBody } = packHead(text)
    if (this.#isAnswered || inBody !== undefined) this.#push(inBody ?? header, true)
    if (bytes !== undefined) this.#push(bytes)
    this.#settle({ header: inBody === undefined ? header : HEAD_IN_BODY, body: this })
  }

  #settle(answer: WireAnswer): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    this.#isStream = answer.body !== undefined
    this.#answer.resolve(answer)
  }

  #push(bytes: Buffer, isHead = false): void {
    if (bytes.length === 0 || this.#failure !== undefined || !(isHead || this.#hasContent)) return
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    this.#wakeUp()
  }

  #take(): Buffer | undefined {
    const first = this.#queue[0]
    if (first === undefined) return undefined
    let piece = first
    if (first.length >= REUSED_BYTES_MIN) {
      piece = Buffer.from(first.subarray(this.#copiedBytes, this.#copiedBytes + COPIED_BYTES))
      this.#copiedBytes += piece.length
    }
    if (piece === first || this.#copiedBytes === first.length) {
      this.#copiedBytes = 0
      this.#queue.shift()
    }
    this.#queuedBytes -= piece.length
    this.sentBytes += piece.length
    return piece
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #finish(): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.emit('finish')
  }
}
