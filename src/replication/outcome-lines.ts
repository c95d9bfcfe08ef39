import type { CopyOutcome } from './peers.ts'
import { encodeOutcome } from './chunk-calls.ts'

/** The outcomes of a write as the body of its answer. They are kept until they are read, one for each copy, so that the write
 *  goes its way whether somebody reads them or not. */
export class OutcomeLines implements AsyncIterable<Buffer> {
  readonly #lines: Buffer[] = []
  #end: { readonly error: Error | undefined } | undefined
  #wake: () => void = () => {}

  /** Takes all outcomes. Never rejects. */
  async fill(outcomes: AsyncIterable<CopyOutcome>): Promise<void> {
    let error: Error | undefined
    try {
      for await (const outcome of outcomes) {
        this.#lines.push(encodeOutcome(outcome))
        this.#wake()
      }
    } catch (defect) {
      error = defect as Error
    }
    this.#end = { error }
    this.#wake()
  }

  /** For one reader. Throws what the outcomes threw. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const line = this.#lines.shift()
      if (line !== undefined) yield line
      else if (this.#end === undefined) await new Promise<void>((resolve) => (this.#wake = resolve))
      else if (this.#end.error === undefined) return
      else throw this.#end.error
    }
  }
}
