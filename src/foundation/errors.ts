/** When it makes sense to try the same call again. */
export type RetryClass = 'never' | 'after-delay' | 'other-replica'

/** Every error code of Shoal with its retry class. Codes are stable and cross the wire intact; `docs/errors.md` explains
 *  each of them to a reader, and a test holds the two together. */
export const ERROR_CODES = {
  INVALID_ARGUMENT: 'never',
  INVALID_PATH: 'never',
  NAME_TOO_LONG: 'never',
  UNAUTHENTICATED: 'never',
  FORBIDDEN: 'never',
  VOLUME_NOT_FOUND: 'never',
  VOLUME_EXISTS: 'never',
  VOLUME_NOT_EMPTY: 'never',
  NOT_FOUND: 'never',
  ALREADY_EXISTS: 'never',
  NOT_A_DIRECTORY: 'never',
  IS_A_DIRECTORY: 'never',
  DIRECTORY_NOT_EMPTY: 'never',
  MOVE_INTO_ITSELF: 'never',
  TOO_MANY_LINKS: 'never',
  TOO_MANY_SYMLINKS: 'never',
  NOT_PERMITTED: 'never',
  PRECONDITION_FAILED: 'never',
  CONFLICT: 'after-delay',
  LOCKED: 'after-delay',
  DIGEST_MISMATCH: 'never',
  INCOMPLETE_BODY: 'never',
  RANGE_NOT_SATISFIABLE: 'never',
  UPLOAD_NOT_FOUND: 'never',
  UPLOAD_INCOMPLETE: 'never',
  XATTR_NOT_FOUND: 'never',
  QUOTA_EXCEEDED: 'never',
  NO_SPACE: 'after-delay',
  TOO_LARGE: 'never',
  HEADERS_TOO_LARGE: 'never',
  LENGTH_REQUIRED: 'never',
  METHOD_NOT_ALLOWED: 'never',
  UNSUPPORTED: 'never',
  TIMEOUT: 'after-delay',
  CANCELLED: 'never',
  BUSY: 'after-delay',
  CURSOR_TOO_OLD: 'never',
  CORRUPT: 'other-replica',
  CHUNK_MISSING: 'other-replica',
  STORAGE_FAILED: 'other-replica',
  UNAVAILABLE: 'after-delay',
  DATA_IN_USE: 'never',
  DATA_FORMAT: 'never',
  INTERNAL: 'never',
} as const satisfies Record<string, RetryClass>

export type ErrorCode = keyof typeof ERROR_CODES

/** Of UNAVAILABLE: nobody leads the metadata, so it isn't for want of this node or that one. */
export const LEADERLESS = { leaderless: true } as const satisfies ErrorDetails

/** Facts a program can use without reading the message; values are JSON. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>

/** The one error type. The message is a sentence for a person: what was wrong, with the value quoted, and what to do. */
export class ShoalError extends Error {
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ShoalError'
    this.code = code
    this.details = options.details ?? {}
  }

  get retry(): RetryClass {
    return ERROR_CODES[this.code]
  }
}

export function isShoalError(error: unknown, code?: ErrorCode): error is ShoalError {
  return error instanceof ShoalError && (code === undefined || error.code === code)
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text)
}
