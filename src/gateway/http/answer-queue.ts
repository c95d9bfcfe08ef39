import type { ExchangeResponse } from './exchange.ts'

interface Answer {
  readonly response: ExchangeResponse
  readonly body: Buffer | string | undefined
  readonly encoding: 'utf8' | 'latin1'
}

/** Holds complete answers back until the end of the event loop's turn, and then writes them one after the other: requests
 *  that arrived together, or whose commits ended together, are all worked on before the first write wakes a client. On a
 *  virtual machine that wake-up of another core costs more than the rest of a small request. */
export class AnswerQueue {
  #answers: Answer[] = []

  /** `response` has its head; it ends with `body` at the end of this turn. */
  add(response: ExchangeResponse, body: Buffer | string | undefined, encoding: 'utf8' | 'latin1'): void {
    if (this.#answers.length === 0) setImmediate(this.flush)
    this.#answers.push({ response, body, encoding })
  }

  /** Writes what is held back, now. */
  readonly flush = (): void => {
    const answers = this.#answers
    this.#answers = []
    for (const { response, body, encoding } of answers) response.end(body, encoding)
  }
}
