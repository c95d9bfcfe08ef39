import { isShoalError } from '#foundation/errors.ts'
import type { Log, LogFields } from './log.ts'

/** A line on its way to the log of another thread. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: LogFields
}

/** A log whose lines another thread writes. */
export class RelayedLog implements Log {
  readonly #relay: (line: LogLine) => void
  readonly #fields: LogFields

  constructor(relay: (line: LogLine) => void, fields: LogFields = {}) {
    this.#relay = relay
    this.#fields = fields
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#write('debug', message, fields)
  }

  info(message: string, fields: LogFields = {}): void {
    this.#write('info', message, fields)
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#write('warn', message, fields)
  }

  error(message: string, fields: LogFields = {}): void {
    this.#write('error', message, fields)
  }

  child(fields: LogFields): Log {
    return new RelayedLog(this.#relay, { ...this.#fields, ...fields })
  }

  #write(level: LogLine['level'], message: string, fields: LogFields): void {
    const all = Object.entries({ ...this.#fields, ...fields })
    this.#relay({ level, message, fields: Object.fromEntries(all.map(([name, value]) => [name, asData(value)])) })
  }
}

/** What can be copied to another thread: of an error its code would be lost. */
function asData(value: unknown): unknown {
  if (!(value instanceof Error)) return typeof value === 'function' || typeof value === 'symbol' ? String(value) : value
  const { name, message, stack, cause } = value
  const code = isShoalError(value) ? { code: value.code } : {}
  return { name, message, stack, ...code, ...(cause === undefined ? {} : { cause: asData(cause) }) }
}
