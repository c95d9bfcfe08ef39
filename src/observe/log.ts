export type LogFields = Readonly<Record<string, unknown>>

/** Structured logging. Messages are short and constant; what varies goes into the fields. Never a secret, a key's secret
 *  half, an Authorization header or file contents. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A log that adds `fields` to each line. */
  child(fields: LogFields): Log
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silentLog }
