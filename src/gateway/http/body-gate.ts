import { ShoalError } from '#foundation/errors.ts'

/** Bodies up to this length are read whole before anything else happens: one buffer, no stream. */
export const SMALL_BODY_BYTES = 64 * 1024

/** Counts the large bodies that are received at once: each holds buffers while it lasts. */
export class BodyGate {
  readonly #limit: number
  #inside = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** `leave` has to follow. @throws BUSY when the limit is reached */
  enter(): void {
    if (this.#inside >= this.#limit)
      throw new ShoalError('BUSY', `${this.#limit} uploads are under way already: try again in a moment`)
    this.#inside += 1
  }

  leave(): void {
    this.#inside -= 1
  }
}
