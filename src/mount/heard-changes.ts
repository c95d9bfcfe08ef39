import type { Clock } from '#platform/clock.ts'
import { QuietPromise } from '#platform/quiet-promise.ts'

/** An answer takes a tenth of a millisecond on one machine. One that hasn't come by then, or a second later, isn't waited for. */
const ANSWER_MS_MAX = 1_000
/** No node promises more, and none is believed more. */
const QUIET_MS_MAX = 20
const NO = Promise.resolve(false)
const YES = Promise.resolve(true)

interface Waiting {
  readonly question: number
  /** Made before it was asked. */
  readonly promise: QuietPromise
  resolve(isHeard: boolean): void
}

/** Asks the feed of changes whether it has told all that had been acknowledged at some moment. Whoever asks in one turn of the event loop
 *  shares a question; the newest question on its way stands for those before it. While nothing changes, an answer promises that nothing will for
 *  some milliseconds: until then nobody has to ask. */
export class HeardChanges {
  readonly #clock: Pick<Clock, 'sleep' | 'monotonicMs' | 'nowMs'>
  #questions: Questions | undefined
  /** It has answered, and has not been silent since. */
  #answers = false
  #last = 0
  #asking: Promise<boolean> | undefined
  /** In the order of their questions. */
  #waiting: Waiting[] = []
  #isWatching = false
  #promise: QuietPromise | undefined

  constructor(clock: Pick<Clock, 'sleep' | 'monotonicMs' | 'nowMs'>) {
    this.#clock = clock
  }

  /** Whether all that has been acknowledged by now is known here, by what was promised. */
  get isSure(): boolean {
    return this.#promise?.lasts === true
  }

  /** Resolves with true when all that had been acknowledged before the call is known here; with false if nobody can say. */
  ask(): Promise<boolean> {
    if (this.isSure) return YES
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
    const questions = new Questions()
    this.#questions = questions
    this.probe()
    return questions
  }

  /** Asks whether the feed answers, without anybody who waits for it. */
  probe(): void {
    this.#last += 1
    this.#questions?.put(this.#last)
  }

  /** The feed has told all that a question, and each before it, was about; `isHeard` if it is known here. For `quietMs` after the question there
   *  is nothing more to be told. */
  answered(question: number, isHeard: boolean, quietMs = 0): void {
    if (this.#questions === undefined) return
    this.#answers = true
    const after = this.#waiting.findIndex((one) => one.question > question)
    const answered = this.#waiting.splice(0, after === -1 ? this.#waiting.length : after)
    const last = answered.at(-1)
    if (isHeard && last?.question === question) {
      last.promise.given(Math.min(quietMs, QUIET_MS_MAX))
      this.#promise = last.promise
    }
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
    const promise = new QuietPromise(this.#clock)
    this.#questions.put(this.#last)
    this.#waiting.push({ question: this.#last, promise, resolve })
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
    this.#promise = undefined
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
