import pino, { type Logger } from 'pino'
import type { Clock } from '#platform/clock.ts'
import type { Log, LogFields } from './log.ts'
import { prettyLine } from './pretty-line.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface PinoLogOptions {
  readonly level: LogLevel
  /** `json`: an object a line, with `level`, `time` and `message`; `pretty`: for a person at a terminal. */
  readonly format: 'json' | 'pretty'
  readonly clock: Clock
  /** Takes each line, with its line feed: standard error's. */
  readonly write: (line: string) => void
}

// Callers leave secrets out; this is the second fence, for whole objects that were logged with one inside.
const SECRETS = ['authorization', 'cookie', 'password', 'secret', 'secretKey', 'token']
const REDACTED_PATHS = SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`])

/** A log that writes lines through pino. Errors among the fields are written with code, stack and causes. */
export function createPinoLog({ level, format, clock, write }: PinoLogOptions): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(clock.nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause, cause: pino.stdSerializers.errWithCause },
      redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    },
    { write: format === 'json' ? write : (line) => write(prettyLine(line)) },
  )
  return new PinoLog(logger)
}

class PinoLog implements Log {
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#logger.debug(fields, message)
  }

  info(message: string, fields: LogFields = {}): void {
    this.#logger.info(fields, message)
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#logger.warn(fields, message)
  }

  error(message: string, fields: LogFields = {}): void {
    this.#logger.error(fields, message)
  }

  child(fields: LogFields): Log {
    return new PinoLog(this.#logger.child(fields))
  }
}
