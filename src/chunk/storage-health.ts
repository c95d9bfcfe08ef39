import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import { storageError } from '#platform/files.ts'

/** Whether the medium can still be trusted with writes. After a failed write or flush nobody can say what it holds, and
 *  a repetition that succeeds proves nothing: so nothing is acknowledged any more until the store is opened again. A
 *  full medium is no such failure. */
export class StorageHealth {
  readonly #log: Log
  #failure: ShoalError | undefined

  constructor(log: Log) {
    this.#log = log
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  /** @throws STORAGE_FAILED */
  check(): void {
    if (this.#failure === undefined) return
    throw new ShoalError('STORAGE_FAILED', `The chunk store has stopped writing after an error: ${this.#failure.message}`, {
      cause: this.#failure,
    })
  }

  /** The error to pass on for a write that failed; remembers it if writing must stop. */
  failWrite(cause: unknown, doing: string): ShoalError {
    const error = storageError(cause, doing)
    if (isShoalError(error, 'STORAGE_FAILED') && !this.failed) {
      this.#failure = error
      this.#log.error('chunk store stops writing', { error })
    }
    return error
  }

  /** As `failWrite`, for a flush: there, even running out of space leaves the medium in doubt. */
  failFlush(cause: unknown, doing: string): ShoalError {
    const { code, message } = storageError(cause, doing)
    return this.failWrite(code === 'STORAGE_FAILED' ? cause : new ShoalError('STORAGE_FAILED', message, { cause }), doing)
  }
}
