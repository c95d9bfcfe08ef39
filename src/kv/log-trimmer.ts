import type { Log } from '#observe/log.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import { type TrimLimits, TrimPolicy } from './trim-policy.ts'

export interface LogTrimmerOptions {
  readonly log: Pick<SharedLog, 'trim'>
  readonly keep: TrimLimits | undefined
  readonly report: Log
}

/** Trims the shared log by a `TrimPolicy`, one step at a time. What fails is due again with the next entry. */
export class LogTrimmer {
  readonly #options: LogTrimmerOptions
  readonly #policy: TrimPolicy
  #isTrimming = false

  constructor(options: LogTrimmerOptions) {
    this.#options = options
    this.#policy = new TrimPolicy(options.keep)
  }

  /** There is an entry. */
  note(index: number, bytes: number): void {
    this.#policy.note(index, bytes)
  }

  /** This node, which leads, has appended one; it has all up to `durable` on its own disk. */
  appended(index: number, bytes: number, durable: number): void {
    this.#policy.note(index, bytes)
    const upTo = this.#policy.due(durable)
    if (upTo !== undefined && !this.#isTrimming) void this.#trim(upTo)
  }

  async #trim(upTo: number): Promise<void> {
    const { log, report } = this.#options
    this.#isTrimming = true
    try {
      await log.trim(upTo)
      this.#policy.trimmed(upTo)
    } catch (error) {
      report.debug('The shared log was not trimmed', { error })
    }
    this.#isTrimming = false
  }
}
