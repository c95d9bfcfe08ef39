import { STATUS_CODES } from 'node:http'
import { ShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { ERROR_STATUS, RETRY_AFTER_SECONDS } from '#gateway/http/error-status.ts'
import type { Exchange } from '#gateway/http/exchange.ts'

/** The document of RFC 9457: the error's details are members of their own; none can hide a member that the document has. */
export function problemOf(error: ShoalError, requestId: string): Record<string, unknown> {
  return {
    ...error.details,
    type: `urn:shoal:error:${error.code}`,
    title: titleOf(error.code),
    status: ERROR_STATUS[error.code],
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
  exchange.send(ERROR_STATUS[error.code], headers, `${JSON.stringify(problemOf(error, exchange.id))}\n`)
}

/** One line of a stream that reports a failure in its place. */
export function problemLine(error: unknown, requestId: string): string {
  const known =
    error instanceof ShoalError
      ? error
      : new ShoalError('INTERNAL', 'Something unexpected went wrong; the log of the node has it under this request id')
  return `${JSON.stringify({ status: ERROR_STATUS[known.code], ...problemOf(known, requestId) })}\n`
}

/** `NOT_FOUND` is "Not found". */
export function titleOf(code: ErrorCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export function statusText(status: number): string {
  return STATUS_CODES[status] ?? String(status)
}
