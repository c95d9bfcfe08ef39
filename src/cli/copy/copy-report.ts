import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { EXIT, exitCodeOf } from '../exit-code.ts'
import type { Output } from '../output.ts'
import { visible } from '../output.ts'
import type { Progress } from '../progress.ts'
import { errorValue, reasonOf } from '../report-error.ts'

/** Failures that the next file would meet just the same. */
const FATAL: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'VOLUME_NOT_FOUND',
  'QUOTA_EXCEEDED',
  'NO_SPACE',
  'STORAGE_FAILED',
  'CANCELLED',
]

/** What a copy has done so far, and what went wrong. A failure of one file doesn't stop the others, unless it would be
 *  that of every file. */
export class CopyReport {
  readonly #stop = new AbortController()
  readonly #output: Output
  readonly #progress: Progress
  readonly #failFast: boolean
  readonly signal: AbortSignal
  files = 0
  directories = 0
  links = 0
  bytes = 0
  skipped = 0
  warnings = 0
  failed = 0
  #fatal: unknown

  constructor({
    output,
    progress,
    failFast,
    signal,
  }: {
    output: Output
    progress: Progress
    failFast: boolean
    signal: AbortSignal
  }) {
    this.#output = output
    this.#progress = progress
    this.#failFast = failFast
    this.signal = AbortSignal.any([signal, this.#stop.signal])
  }

  get stopped(): boolean {
    return this.signal.aborted
  }

  /** Bytes on their way: for the bar. */
  moved(bytes: number): void {
    this.bytes += bytes
    this.#progress.advance({ bytes, files: 0 })
  }

  fileDone(): void {
    this.files += 1
    this.#progress.advance({ bytes: 0, files: 1 })
  }

  skip(bytes: number): void {
    this.skipped += 1
    this.#progress.advance({ bytes, files: 1 })
  }

  warn(path: string, text: string): void {
    this.warnings += 1
    this.#progress.note(`shoal: ${visible(path)}: ${text}`)
  }

  fail(path: string, error: unknown): void {
    // What fails only because everything is being stopped says nothing new.
    if (this.stopped && isShoalError(error, 'CANCELLED')) return
    this.failed += 1
    if (this.#output.json) void this.#output.value({ path, ...errorValue(error) })
    else this.#progress.note(`shoal: ${visible(path)}: ${reasonOf(error)}`)
    const isFatal = isShoalError(error) && (FATAL.includes(error.code) || error.details['connection'] === true)
    if (!isFatal && !this.#failFast) return
    this.#fatal ??= error
    this.#stop.abort(new ShoalError('CANCELLED', 'The copy was stopped'))
  }

  /** The exit code. */
  get exitCode(): number {
    if (this.#fatal !== undefined && !this.#failFast) return exitCodeOf(this.#fatal)
    if (this.signal.aborted && this.#fatal === undefined) return EXIT.interrupted
    return this.failed > 0 ? EXIT.failure : EXIT.ok
  }
}
