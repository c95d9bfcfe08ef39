import type { ClassCalls } from '#client/class-calls.ts'
import type { Clock } from '#platform/clock.ts'

/** Nodes tell each other no more often. */
const ROOM_MS_MAX = 30_000

/** How much more has room in the cluster with the copies of a class, as far as it is known: whoever looks is told what was known, and has it
 *  asked for again when that is old. */
export class ClassRoom {
  readonly #classes: Pick<ClassCalls, 'show'>
  readonly #clock: Pick<Clock, 'monotonicMs'>
  #askedMs = -Infinity
  #name = ''
  #bytes: number | undefined

  constructor(classes: Pick<ClassCalls, 'show'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#classes = classes
    this.#clock = clock
  }

  bytes(name: string): number | undefined {
    const nowMs = this.#clock.monotonicMs()
    if (name !== this.#name || nowMs - this.#askedMs > ROOM_MS_MAX) {
      this.#askedMs = nowMs
      this.#name = name
      this.#classes.show(name).then(
        ({ freeBytes }) => {
          this.#bytes = freeBytes ?? undefined
        },
        // The next one asks again.
        () => undefined,
      )
    }
    return this.#bytes
  }
}
