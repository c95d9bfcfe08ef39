import type { Clock } from '#platform/clock.ts'

/** An answer takes a tenth of a millisecond on one machine. One that hasn't come by then, or a second later, isn't waited for. */
const ANSWER_MS_MAX = 1_000
const NO = Promise.resolve(false)

interface Waiting {
  readonly question: number
  resolve(isHeard: boolean): void
}

/** Asks the feed of changes whether it has told all that had been acknowledged at some moment. Whoever asks in one turn of the event loop
 *  shares a question; the newest question on its way stands for those before it. */
export class HeardChanges {
  readonly #clock: Pick<Clock, 'sleep'>
  #questions: Questions | undefined
  /** It has answered, and has not been silent since. */
  #answers = false
  #last = 0
  #asking: Promise<boolean> | undefined
  /** In the order of their questions. */
  #waiting: Waiting[] = []
  #isWatching = false

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock
  }

  /** Resolves with true when all that had been acknowledged before the call is known here; with false if nobody can say. */
  ask(): Promise<boolean> {
    if (!this.#answers) return NO
    return (this.#asking ??= new Promise((resolve) => {
      queueMicrotask(() => {
        this.#asking = undefined
        this.#send(resolve)
      })
    }))
  }

  /** A feed begins: it is to be sent these numbers. The first one is asked at once, to see whether it answers. */
  begin(): AsyncIterable<number> {
    this.end()
    this.#questions = new Questions()
    this.#last += 1
    this.#questions.put(this.#last)
    return this.#questions
  }

  /** The feed has told all that a question, and each before it, was about; `isHeard` if it is known here. */
  answered(question: number, isHeard: boolean): void {
    if (this.#questions === undefined) return
    this.#answers = true
    const after = this.#waiting.findIndex((one) => one.question > question)
    const answered = this.#waiting.splice(0, after === -1 ? this.#waiting.length : after)
    for (const { resolve } of answered) resolve(isHeard)
  }

  /** The feed is lost. Repeating it is harmless. */
  end(): void {
    this.#questions?.end()
    this.#questions = undefined
    this.#giveUp()
  }

  #send(resolve: (isHeard: boolean) => void): void {
    if (!this.#answers || this.#questions === undefined) return resolve(false)
    this.#last += 1
    this.#questions.put(this.#last)
    this.#waiting.push({ question: this.#last, resolve })
    if (!this.#isWatching) void this.#watch()
  }

  async #watch(): Promise<void> {
    this.#isWatching = true
    for (let [oldest] = this.#waiting; oldest !== undefined; [oldest] = this.#waiting) {
      await this.#clock.sleep(ANSWER_MS_MAX)
      if (this.#waiting[0] === oldest) this.#giveUp()
    }
    this.#isWatching = false
  }

  #giveUp(): void {
    this.#answers = false
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve } of waiting) resolve(false)
  }
}

/** Numbers that somebody is still to send; the newest stands for those before it. */
class Questions implements AsyncIterable<number> {
  #newest: number | undefined
  #isOver = false
  #wake: () => void = () => undefined

  put(question: number): void {
    this.#newest = question
    this.#wake()
  }

  end(): void {
    this.#isOver = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<number, void, undefined> {
    while (!this.#isOver) {
      const newest = this.#newest
      this.#newest = undefined
      if (newest !== undefined) yield newest
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
