import { STATUS_CODES } from 'node:http'
import { ShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'

/** The HTTP status of each error code. */
export const REST_STATUS = {
  INVALID_ARGUMENT: 400,
  INVALID_PATH: 400,
  NAME_TOO_LONG: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  VOLUME_NOT_FOUND: 404,
  VOLUME_EXISTS: 409,
  VOLUME_NOT_EMPTY: 409,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  NOT_A_DIRECTORY: 409,
  IS_A_DIRECTORY: 409,
  DIRECTORY_NOT_EMPTY: 409,
  MOVE_INTO_ITSELF: 409,
  TOO_MANY_LINKS: 409,
  TOO_MANY_SYMLINKS: 409,
  NOT_PERMITTED: 403,
  PRECONDITION_FAILED: 412,
  CONFLICT: 409,
  LOCKED: 423,
  DIGEST_MISMATCH: 400,
  INCOMPLETE_BODY: 400,
  RANGE_NOT_SATISFIABLE: 416,
  UPLOAD_NOT_FOUND: 404,
  UPLOAD_INCOMPLETE: 409,
  XATTR_NOT_FOUND: 404,
  QUOTA_EXCEEDED: 507,
  NO_SPACE: 507,
  TOO_LARGE: 413,
  HEADERS_TOO_LARGE: 431,
  LENGTH_REQUIRED: 411,
  METHOD_NOT_ALLOWED: 405,
  UNSUPPORTED: 501,
  TIMEOUT: 408,
  CANCELLED: 499,
  BUSY: 503,
  CURSOR_TOO_OLD: 410,
  CORRUPT: 500,
  CHUNK_MISSING: 500,
  STORAGE_FAILED: 503,
  UNAVAILABLE: 503,
  DATA_IN_USE: 503,
  DATA_FORMAT: 500,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode, number>

/** Seconds after which a client may try again, for codes that pass by themselves. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, string>> = { BUSY: '1', UNAVAILABLE: '2', STORAGE_FAILED: '30' }

/** The document of RFC 9457: the error's details are members of their own; none can hide a member that the document has. */
export function problemOf(error: ShoalError, requestId: string): Record<string, unknown> {
  return {
    ...error.details,
    type: `urn:shoal:error:${error.code}`,
    title: titleOf(error.code),
    status: REST_STATUS[error.code],
    code: error.code,
    detail: error.message,
    requestId,
  }
}

export function sendProblem(exchange: Exchange, error: ShoalError): void {
  const headers = ['Content-Type', 'application/problem+json']
  if (error.code === 'UNAUTHENTICATED') headers.push('WWW-Authenticate', 'Basic realm="shoal", charset="UTF-8"')
  const allow = error.details['allow']
  if (error.code === 'METHOD_NOT_ALLOWED' && typeof allow === 'string') headers.push('Allow', allow)
  const sizeBytes = error.details['sizeBytes']
  if (error.code === 'RANGE_NOT_SATISFIABLE' && sizeBytes !== undefined)
    headers.push('Content-Range', `bytes */${String(sizeBytes)}`)
  const retryAfter = RETRY_AFTER_SECONDS[error.code]
  if (retryAfter !== undefined) headers.push('Retry-After', retryAfter)
  // A sender that stalled or broke off can't be followed by a further request.
  if (error.code === 'TIMEOUT' || error.code === 'INCOMPLETE_BODY') exchange.mustClose = true
  exchange.send(REST_STATUS[error.code], headers, `${JSON.stringify(problemOf(error, exchange.id))}\n`)
}

/** One line of a stream that reports a failure in its place. */
export function problemLine(error: unknown, requestId: string): string {
  const known =
    error instanceof ShoalError
      ? error
      : new ShoalError('INTERNAL', 'Something unexpected went wrong; the log of the node has it under this request id')
  return `${JSON.stringify({ status: REST_STATUS[known.code], ...problemOf(known, requestId) })}\n`
}

/** `NOT_FOUND` is "Not found". */
export function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export function statusText(status: number): string {
  return STATUS_CODES[status] ?? String(status)
}
