import { ShoalError } from '#foundation/errors.ts'

export interface ByteRoomOptions {
  readonly bytesMax: number
  /** How many may wait for room at a time; who comes on top is answered BUSY. */
  readonly waitingMax: number
}

/** A part of a room. */
export interface Claim {
  /** Says that the bytes can be had back: `giveUp` is called if somebody waits for room. `release` must follow soon. */
  spare(giveUp: () => void): void
  /** Repeating it is harmless. */
  release(): void
}

interface Waiter {
  readonly bytes: number
  readonly enter: () => void
}

/** Memory that is given out in parts: who finds none left waits, in order. */
export class ByteRoom {
  readonly #options: ByteRoomOptions
  #freeBytes: number
  readonly #waiting = new Set<Waiter>()
  /** What can be had back, the longest there first. */
  readonly #spare = new Map<Claim, () => void>()

  constructor(options: ByteRoomOptions) {
    this.#options = options
    this.#freeBytes = options.bytesMax
  }

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** What is larger than the room gets all of it. @throws BUSY if too many wait already; the signal's reason once it is aborted */
  async take(bytes: number, signal: AbortSignal): Promise<Claim> {
    const taken = Math.min(bytes, this.#options.bytesMax)
    if (this.#waiting.size > 0 || taken > this.#freeBytes) await this.#wait(taken, signal)
    else this.#freeBytes -= taken
    return this.#claim(taken)
  }

  #claim(bytes: number): Claim {
    let isHeld = true
    const claim: Claim = {
      spare: (giveUp) => {
        if (!isHeld) return
        this.#spare.set(claim, giveUp)
        if (this.#waiting.size > 0) this.#askBack()
      },
      release: () => {
        if (!isHeld) return
        isHeld = false
        this.#spare.delete(claim)
        this.#freeBytes += bytes
        this.#letIn()
      },
    }
    return claim
  }

  async #wait(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#options.waitingMax)
      throw new ShoalError('BUSY', 'Too many chunks are on their way: try again in a moment')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter = { bytes, enter: resolve }
    const onAbort = (): void => {
      if (!this.#waiting.delete(waiter)) return
      reject(signal.reason as Error)
      this.#letIn()
    }
    this.#waiting.add(waiter)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    this.#askBack()
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** One after the other: each release asks for the next, as long as somebody waits. */
  #askBack(): void {
    const [longest] = this.#spare
    if (longest === undefined) return
    const [claim, giveUp] = longest
    this.#spare.delete(claim)
    giveUp()
  }

  #letIn(): void {
    for (const waiter of this.#waiting) {
      if (waiter.bytes > this.#freeBytes) return this.#askBack()
      this.#waiting.delete(waiter)
      this.#freeBytes -= waiter.bytes
      waiter.enter()
    }
  }
}
