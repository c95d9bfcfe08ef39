import { assert } from '#foundation/assert.ts'
import { countArrived } from '#platform/young-memory.ts'
import type { Exchange } from './exchange.ts'
import type { RequestBody } from './request-body.ts'

/** Of a body that is sent on, as much is kept for a second try: what the parts of most requests without a file are, and all small files. */
const KEPT_BYTES_MAX = 64 * 1024

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

/** The body of a request that is sent on, for several tries one after the other: up to 64 KiB of it are kept, and each try gets
 *  it from its beginning. It isn't touched, and its client isn't asked to send it, before somebody wants its first bytes. */
export class ReplayableBody {
  readonly #exchange: Exchange
  readonly #isConversation: boolean
  #source: RequestBody | undefined
  #kept: Buffer[] = []
  #keptBytes = 0
  /** Pieces that were dropped. */
  #dropped = 0
  #isDone = false
  #pulling: Promise<void> | undefined
  /** What it broke off with. */
  failure: Error | undefined

  constructor(exchange: Exchange, { isConversation = false }: { readonly isConversation?: boolean } = {}) {
    this.#exchange = exchange
    this.#isConversation = isConversation
  }

  /** Whether nothing of it is gone. */
  get isReplayable(): boolean {
    return this.#dropped === 0
  }

  /** One more try; the one before is over. With `waits` it gives nothing before `begin`. */
  attempt({ waits }: { readonly waits: boolean }): BodyAttempt {
    return new BodyAttempt(this, waits)
  }

  /** Lets the exchange have it whole again, once the last try is over. False if some of it is gone. */
  async takeBack(): Promise<boolean> {
    // What was asked for in vain would be missing.
    await this.#pulling?.catch(() => undefined)
    if (!this.isReplayable) return false
    if (this.#source !== undefined) this.#exchange.unread(this.#kept)
    return true
  }

  /** For the tries: a piece by its number, or none for one that is over. @throws as the body of the request */
  async piece(index: number, attempt: { readonly isOver: boolean }): Promise<IteratorResult<Buffer, undefined>> {
    for (;;) {
      // What a try has asked for that was given up meanwhile is the next one's.
      if (attempt.isOver) return DONE
      assert(index >= this.#dropped, 'A body was to be sent again of which a part is gone')
      const value = this.#kept[index - this.#dropped]
      if (value !== undefined) {
        if (this.#keptBytes > KEPT_BYTES_MAX) this.#drop(index + 1)
        return { done: false, value }
      }
      if (this.#isDone) return DONE
      await (this.#pulling ??= this.#pull())
    }
  }

  #drop(upTo: number): void {
    this.#kept.splice(0, upTo - this.#dropped)
    this.#dropped = upTo
  }

  async #pull(): Promise<void> {
    try {
      this.#source ??= this.#exchange.body(undefined, { isTimed: !this.#isConversation })
      const piece = await this.#source.next()
      if (piece.done === true) {
        this.#isDone = true
        return
      }
      this.#kept.push(piece.value)
      this.#keptBytes += piece.value.length
      // Sent on, it isn't freed as soon as it was read.
      countArrived(piece.value.length)
    } catch (error) {
      this.failure = error as Error
      throw error
    } finally {
      this.#pulling = undefined
    }
  }
}

/** The body as one try reads it. */
export class BodyAttempt implements AsyncIterableIterator<Buffer> {
  readonly #body: ReplayableBody
  readonly #begun = Promise.withResolvers<void>()
  #next = 0
  #isOver = false

  constructor(body: ReplayableBody, waits: boolean) {
    this.#body = body
    if (!waits) this.#begun.resolve()
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whoever it is for wants it. */
  begin(): void {
    this.#begun.resolve()
  }

  async next(): Promise<IteratorResult<Buffer, undefined>> {
    await this.#begun.promise
    if (this.#isOver) return DONE
    const index = this.#next
    this.#next += 1
    return this.#body.piece(index, this)
  }

  /** What was read stays for the next try. */
  return(): Promise<IteratorResult<Buffer, undefined>> {
    this.#isOver = true
    this.#begun.resolve()
    return Promise.resolve(DONE)
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
