import { ShoalError } from '#foundation/errors.ts'

/** Lets `limit` callers in at once; others wait in order, at most `maxWaiting` of them. */
export class Gate {
  readonly #limit: number
  readonly #maxWaiting: number
  readonly #waiting: { enter: () => void; signal: AbortSignal | undefined; onAbort: () => void }[] = []
  #inside = 0

  constructor({ limit, maxWaiting }: { limit: number; maxWaiting: number }) {
    this.#limit = limit
    this.#maxWaiting = maxWaiting
  }

  /** Resolves when the caller may go on, who calls `leave` exactly once afterwards. @throws BUSY, CANCELLED */
  enter(signal?: AbortSignal): Promise<void> | undefined {
    if (signal?.aborted) return Promise.reject(cancelled(signal))
    if (this.#inside < this.#limit) {
      this.#inside += 1
      return undefined
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      return Promise.reject(new ShoalError('BUSY', `${this.#maxWaiting} calls are waiting already: start fewer at once`))
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(cancelled(signal as AbortSignal))
      }
      const waiter = { enter: resolve, signal, onAbort }
      this.#waiting.push(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#inside -= 1
      return
    }
    next.signal?.removeEventListener('abort', next.onAbort)
    next.enter()
  }
}

function cancelled(signal: AbortSignal): ShoalError {
  return new ShoalError('CANCELLED', 'The call was cancelled', { cause: signal.reason })
}
