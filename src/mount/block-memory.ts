import type { Clock } from '#platform/clock.ts'
import { BLOCK_BYTES } from './large-files.ts'

const KEPT_MAX = 16

/** Memory for blocks of contents, used again when nobody has a block any more: memory outside of the heap has V8 mark all of it again and
 *  again, and what a new mebibyte costs the first time that it is written to, twice what it costs to copy into an old one. */
export class BlockMemory {
  readonly #clock: Pick<Clock, 'sleep'>
  /** By how many each is used. */
  readonly #users = new Map<Buffer, number>()
  readonly #kept: Buffer[] = []
  #leaving: Buffer[] = []

  constructor(clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock
  }

  /** A buffer whose contents are arbitrary. Who takes it may drop it without a `hold`: it is collected then. */
  take(length: number): Buffer {
    return (length === BLOCK_BYTES ? this.#kept.pop() : undefined) ?? Buffer.allocUnsafeSlow(length)
  }

  /** Until it is dropped as often it isn't used again. */
  hold(bytes: Buffer): Buffer {
    this.#users.set(bytes, (this.#users.get(bytes) ?? 0) + 1)
    return bytes
  }

  drop(bytes: Buffer): void {
    const left = (this.#users.get(bytes) ?? 0) - 1
    if (left > 0) this.#users.set(bytes, left)
    else if (this.#users.delete(bytes) && bytes.length === BLOCK_BYTES && this.#kept.length < KEPT_MAX) this.#kept.push(bytes)
  }

  /** The same for bytes that somebody has who doesn't say when he is done: when all that is settled already has come to its end. */
  dropSoon(bytes: Buffer): void {
    this.#leaving.push(bytes)
    if (this.#leaving.length === 1) void this.#dropLeaving()
  }

  async #dropLeaving(): Promise<void> {
    await this.#clock.sleep(0)
    const leaving = this.#leaving
    this.#leaving = []
    // Promises that were settled outside of a turn of the event loop are heard after the first one only.
    await this.#clock.sleep(0)
    for (const bytes of leaving) this.drop(bytes)
  }
}
