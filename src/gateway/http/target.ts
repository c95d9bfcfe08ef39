import { ShoalError } from '#foundation/errors.ts'
import { decodeName } from '#foundation/name.ts'
import type { ExchangeRequest } from './exchange.ts'

/** A request target of RFC 9112, section 3.2, cut but not decoded: what a signature covers and what names are read from. */
export interface Target {
  /** From the first slash to the question mark, still percent-encoded. */
  readonly path: string
  /** After the question mark, still percent-encoded; empty without one. */
  readonly query: string
}

/** Cuts a target in origin form (`/a?b`), or absolute form (`http://host/a?b`), which servers have to accept.
 *  @throws INVALID_ARGUMENT for the other forms; INVALID_PATH for bytes that must be percent-encoded */
export function splitTarget(target: string): Target {
  const origin = target.charCodeAt(0) === 0x2f ? target : originOf(target)
  // eslint-disable-next-line no-control-regex
  if (/[^\x21-\x7e]|#/.test(origin)) {
    throw new ShoalError('INVALID_PATH', 'The request target has "#" or bytes outside of ASCII: percent-encode them')
  }
  const mark = origin.indexOf('?')
  return mark === -1 ? { path: origin, query: '' } : { path: origin.slice(0, mark), query: origin.slice(mark + 1) }
}

function originOf(target: string): string {
  const match = /^https?:\/\/[^/?]*(.*)$/i.exec(target)
  const rest = match?.[1]
  if (rest === undefined) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `The request target "${target.slice(0, 80)}" is not a path: it has to begin with "/"`,
    )
  }
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Percent-decodes to bytes, and reads the bytes as names are read (`decodeName`). A plus sign is a plus sign.
 *  @throws INVALID_PATH for a percent sign without two hexadecimal digits behind it */
export function percentDecode(text: string): string {
  const first = text.indexOf('%')
  return first === -1 ? text : (decodeAscii(text, first) ?? decodeBytes(text, first))
}

// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/

/** The same where everything is ASCII, which needs no bytes; `undefined` otherwise. */
function decodeAscii(text: string, first: number): string | undefined {
  if (!ASCII.test(text)) return undefined
  let decoded = ''
  let from = 0
  for (let at = first; at !== -1; at = text.indexOf('%', from)) {
    const high = hexDigit(text.charCodeAt(at + 1))
    const low = hexDigit(text.charCodeAt(at + 2))
    if (high < 0 || high > 7 || low < 0) return undefined
    decoded += text.slice(from, at) + String.fromCharCode(high * 16 + low)
    from = at + 3
  }
  return decoded + text.slice(from)
}

function decodeBytes(text: string, first: number): string {
  let at = first
  const bytes = Buffer.allocUnsafe(text.length)
  let length = bytes.write(text.slice(0, at), 'latin1')
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code !== 0x25) {
      bytes[length++] = code
      at += 1
      continue
    }
    const high = hexDigit(text.charCodeAt(at + 1))
    const low = hexDigit(text.charCodeAt(at + 2))
    if (high < 0 || low < 0) {
      throw new ShoalError(
        'INVALID_PATH',
        `"${text.slice(at, at + 3)}" is not a percent-encoded byte: two hexadecimal digits are expected`,
      )
    }
    bytes[length++] = high * 16 + low
    at += 3
  }
  return decodeName(bytes.subarray(0, length))
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** The parameters of a query as browsers write them: a plus sign is a space, a name without "=" has the empty value, and
 *  of a repeated name the first counts. @throws INVALID_PATH */
export function parseQuery(query: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null)
  if (query === '') return values
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodeForm(equals === -1 ? pair : pair.slice(0, equals))
    values[name] ??= equals === -1 ? '' : decodeForm(pair.slice(equals + 1))
  }
  return values
}

function decodeForm(text: string): string {
  return percentDecode(text.includes('+') ? text.replaceAll('+', ' ') : text)
}

/** RFC 9112, section 3.2: one Host, but for HTTP/1.0. @throws INVALID_ARGUMENT, HEADERS_TOO_LARGE */
export function checkHeaders(request: Pick<ExchangeRequest, 'headers' | 'rawHeaders' | 'httpVersion'>, maxHeaders: number): void {
  if (request.rawHeaders.length > 2 * maxHeaders) {
    throw new ShoalError(
      'HEADERS_TOO_LARGE',
      `The request has ${request.rawHeaders.length / 2} headers; ${maxHeaders} are allowed`,
    )
  }
  const { host } = request.headers
  if (host === undefined ? request.httpVersion !== '1.0' && request.httpVersion !== '0.9' : host.includes(',')) {
    throw new ShoalError('INVALID_ARGUMENT', 'The request needs the header Host, once')
  }
}
