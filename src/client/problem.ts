import { isErrorCode, isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ErrorCode, ErrorDetails } from '#foundation/errors.ts'

const ENVELOPE = new Set(['type', 'title', 'detail', 'code'])

/** Of these statuses a page that isn't Shoal's says nothing of what was asked for: a proxy that has lost its node has no file either. */
const MISLEADING = new Set([404, 409, 410, 412])

/** The error that a problem+json body describes, by its `code`; for an answer that isn't Shoal's, by its status. */
export function problemError(status: number, body: string): ShoalError {
  let problem: Record<string, unknown> = {}
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value === 'object' && value !== null) problem = value as Record<string, unknown>
  } catch {
    // Not Shoal's words: a proxy's page, or nothing at all.
  }
  const known = typeof problem['code'] === 'string' && isErrorCode(problem['code']) ? problem['code'] : undefined
  if (known === undefined && body !== '' && MISLEADING.has(status)) {
    return new ShoalError('UNAVAILABLE', `What answered with status ${status} is no Shoal node`, { details: { status } })
  }
  const code = known ?? codeOfStatus(status)
  const message = firstText(problem['detail'], problem['title']) ?? `The server answered with status ${status}`
  return new ShoalError(code, message, { details: detailsOf(problem, status) })
}

/** What went wrong on the way, as an error of the catalogue. `details.connection` tells those from the server's answers,
 *  `details.certificate` says what is wrong with the server's certificate, if that is it: `untrusted`, `name` (it is for
 *  another host), `expired` or `early`. */
export function connectionError(cause: unknown, endpoint: string): ShoalError {
  if (isShoalError(cause)) return cause
  const reason = codeOf(cause)
  if (reason === 'UND_ERR_ABORTED' || reason === 'ABORT_ERR' || (cause as Error | undefined)?.name === 'AbortError') {
    return new ShoalError('CANCELLED', 'The call was cancelled', { cause })
  }
  if (reason === 'UND_ERR_HEADERS_TIMEOUT' || reason === 'UND_ERR_BODY_TIMEOUT') {
    return new ShoalError('TIMEOUT', `${endpoint} went silent in the middle of a call`, {
      cause,
      details: { connection: true, reason, endpoint },
    })
  }
  const certificate = certificateProblem(reason)
  if (certificate !== undefined) {
    return new ShoalError('UNAVAILABLE', certificateMessage(certificate, cause, endpoint), {
      cause,
      details: { connection: true, reason, endpoint, certificate },
    })
  }
  return new ShoalError('UNAVAILABLE', connectionMessage(reason, cause, endpoint), {
    cause,
    details: { connection: true, reason, endpoint },
  })
}

/** True if not a byte of the call can have reached a server: safe to repeat, whatever it was. */
export function neverConnected(error: ShoalError): boolean {
  const reason = error.details['reason']
  return typeof reason === 'string' && NEVER_CONNECTED.has(reason)
}

/** The server at an `https` endpoint answered something that isn't TLS. */
const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST'])

const NEVER_CONNECTED = new Set([
  ...NO_TLS,
  'ECONNREFUSED',
  'UND_ERR_CONNECT_TIMEOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** OpenSSL's verdicts on a certificate, by the names that Node gives them. */
const CERTIFICATE_PROBLEMS: Readonly<Record<string, 'untrusted' | 'name' | 'expired' | 'early'>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'untrusted',
  CERT_SIGNATURE_FAILURE: 'untrusted',
  CERT_UNTRUSTED: 'untrusted',
  INVALID_CA: 'untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'name',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'early',
}

function certificateProblem(reason: string) {
  return Object.hasOwn(CERTIFICATE_PROBLEMS, reason) ? CERTIFICATE_PROBLEMS[reason] : undefined
}

function certificateMessage(problem: 'untrusted' | 'name' | 'expired' | 'early', cause: unknown, endpoint: string): string {
  if (problem === 'expired') return `The certificate of ${endpoint} has run out`
  if (problem === 'early') return `The certificate of ${endpoint} is not valid yet, by the clock of this machine`
  if (problem === 'untrusted') return `The certificate of ${endpoint} is signed by nobody who is trusted here`
  const names = (cause as { cert?: { subjectaltname?: string } }).cert?.subjectaltname
  return `The certificate of ${endpoint} is for another host${names === undefined ? '' : `: ${names}`}`
}

function connectionMessage(reason: string, cause: unknown, endpoint: string): string {
  if (reason === 'ECONNREFUSED') return `Nothing answers at ${endpoint}`
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN') return `The host of ${endpoint} is not known here`
  if (reason === 'UND_ERR_CONNECT_TIMEOUT') return `${endpoint} did not accept a connection in time`
  if (NO_TLS.has(reason)) return `${endpoint} does not speak TLS: write http:// instead of https:// if the network is trusted`
  const words = cause instanceof Error && cause.message !== '' ? cause.message : reason
  return `The connection to ${endpoint} broke: ${words}`
}

function codeOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0])
  const code = (cause as { code?: unknown } | undefined)?.code
  if (typeof code === 'string') return code
  return cause instanceof Error ? cause.name : String(cause)
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED'
  if (status === 403) return 'FORBIDDEN'
  if (status === 404) return 'NOT_FOUND'
  if (status === 405) return 'METHOD_NOT_ALLOWED'
  if (status === 408 || status === 504) return 'TIMEOUT'
  if (status === 409) return 'CONFLICT'
  if (status === 412) return 'PRECONDITION_FAILED'
  if (status === 413) return 'TOO_LARGE'
  if (status === 416) return 'RANGE_NOT_SATISFIABLE'
  if (status === 429) return 'BUSY'
  if (status === 431) return 'HEADERS_TOO_LARGE'
  if (status === 502 || status === 503) return 'UNAVAILABLE'
  return status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL'
}

function detailsOf(problem: Record<string, unknown>, status: number): ErrorDetails {
  const details: Record<string, string | number | boolean> = { status }
  for (const [key, value] of Object.entries(problem)) {
    if (ENVELOPE.has(key)) continue
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') details[key] = value
  }
  return details
}

function firstText(...values: unknown[]): string | undefined {
  return values.find((value): value is string => typeof value === 'string' && value !== '')
}
