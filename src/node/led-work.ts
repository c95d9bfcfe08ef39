import type { Log } from '#observe/log.ts'
import type { Leadership } from './leadership.ts'

/** Something that goes on by itself, and may be started again when it was stopped. */
export interface BackgroundWork {
  start(): void
  stop(): Promise<void>
}

/** Has background work done on the node that leads, and on no other one: elsewhere there is nothing, or something older, to go by, and chunks
 *  would look as if nobody needed them. */
export class LedWork {
  readonly #leadership: Pick<Leadership, 'isLeading' | 'onChange'>
  readonly #work: BackgroundWork
  readonly #log: Log
  readonly #stopListening: () => void
  #isRunning = false
  #isStopped = false
  #turn: Promise<void> = Promise.resolve()

  constructor(options: {
    readonly leadership: Pick<Leadership, 'isLeading' | 'onChange'>
    readonly work: BackgroundWork
    readonly log: Log
  }) {
    this.#leadership = options.leadership
    this.#work = options.work
    this.#log = options.log
    this.#stopListening = this.#leadership.onChange(() => this.#follow())
    this.#follow()
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#stopListening()
    this.#follow()
    await this.#turn
  }

  /** One change after the other: what is to be by then counts, not what was to be when it was asked for. */
  #follow(): void {
    this.#turn = this.#turn.then(async () => {
      const shouldRun = this.#leadership.isLeading && !this.#isStopped
      if (shouldRun === this.#isRunning) return
      this.#isRunning = shouldRun
      try {
        if (shouldRun) this.#work.start()
        else await this.#work.stop()
      } catch (error) {
        this.#log.error('background work could not be started or stopped', { error })
      }
    })
  }
}
