import type { ErrorCode, ShoalError } from '#foundation/errors.ts'
import { parsePath } from '#foundation/path.ts'
import { ERROR_STATUS, RETRY_AFTER_SECONDS } from '#gateway/http/error-status.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { XML_DECLARATION, XmlWriter } from '#gateway/xml/write-xml.ts'
import { type DavTarget, formatHref, parseReference, parseTarget } from './dav-target.ts'
import { responseText, XML_TYPE, writeStatus } from './multistatus.ts'
import { single } from './request-headers.ts'

/** The HTTP status of each error code, where the method says nothing else. */
const DAV_STATUS = {
  ...ERROR_STATUS,
  ALREADY_EXISTS: 412,
  NOT_A_DIRECTORY: 404,
  IS_A_DIRECTORY: 405,
  MOVE_INTO_ITSELF: 403,
} as const satisfies Record<ErrorCode, number>

/** RFC 4918: what is to be made has no collection to be made in. */
const NO_PARENT = { NOT_FOUND: 409, NOT_A_DIRECTORY: 409 } as const satisfies Partial<Record<ErrorCode, number>>

const BY_METHOD: Readonly<Record<string, Partial<Record<ErrorCode, number>>>> = {
  PUT: NO_PARENT,
  LOCK: NO_PARENT,
  COPY: NO_PARENT,
  MOVE: NO_PARENT,
  MKCOL: { ...NO_PARENT, ALREADY_EXISTS: 405, INVALID_ARGUMENT: 415, TOO_LARGE: 415 },
}

/** Answers with the error: as an `error` element of RFC 4918, section 14.5, with the condition that was not met and words
 *  for a person; a lock on something below the resource as a multistatus that names it. */
export function sendDavError(exchange: Exchange, error: ShoalError): void {
  if (error.code === 'LOCKED' && sendLockedMember(exchange, error)) return
  const headers = ['Content-Type', XML_TYPE]
  if (error.code === 'UNAUTHENTICATED') headers.push('WWW-Authenticate', 'Basic realm="shoal", charset="UTF-8"')
  const { allow, sizeBytes } = error.details
  if (error.code === 'METHOD_NOT_ALLOWED' && typeof allow === 'string') headers.push('Allow', allow)
  if (error.code === 'RANGE_NOT_SATISFIABLE' && sizeBytes !== undefined)
    headers.push('Content-Range', `bytes */${String(sizeBytes)}`)
  const retryAfter = RETRY_AFTER_SECONDS[error.code]
  if (retryAfter !== undefined) headers.push('Retry-After', retryAfter)
  // A sender that stalled or broke off can't be followed by a further request.
  if (error.code === 'TIMEOUT' || error.code === 'INCOMPLETE_BODY') exchange.mustClose = true
  exchange.send(statusOf(exchange.method, error), headers, errorText(exchange, error))
}

function statusOf(method: string, { code, details }: ShoalError): number {
  if (details['status'] !== undefined) return Number(details['status'])
  return BY_METHOD[method]?.[code] ?? DAV_STATUS[code]
}

function errorText(exchange: Exchange, error: ShoalError): string {
  const writer = new XmlWriter('D:error', { 'xmlns:D': 'DAV:', 'xmlns:s': 'urn:shoal:error' })
  writeCondition(writer, exchange, error)
  writer.leaf('s:code', error.code).leaf('s:message', error.message).leaf('s:request-id', exchange.id)
  return `${writer.finish()}\n`
}

/** The name of the condition in RFC 4918, section 16, and RFC 4331, section 6. */
function writeCondition(writer: XmlWriter, exchange: Exchange, { code, details }: ShoalError): void {
  const { condition } = details
  if (typeof condition === 'string') writer.leaf(`D:${condition}`, '')
  else if (code === 'LOCKED') {
    writer.start(details['isConflict'] === true ? 'D:no-conflicting-lock' : 'D:lock-token-submitted')
    writer.leaf('D:href', lockedHref(exchange, details['path'])?.href)
    writer.end()
  } else if (code === 'QUOTA_EXCEEDED') writer.leaf('D:quota-not-exceeded', '')
  else if (code === 'NO_SPACE') writer.leaf('D:sufficient-disk-space', '')
  else if (code === 'CONFLICT' && exchange.method === 'UNLOCK') writer.leaf('D:lock-token-matches-request-uri', '')
}

/** The address of the locked resource, in the volume that the request or its destination names. */
function lockedHref(exchange: Exchange, path: unknown): { href: string; isMember: boolean } | undefined {
  if (typeof path !== 'string') return undefined
  const locked = parsePath(path)
  for (const target of targetsOf(exchange)) {
    if (target?.kind !== 'entry') continue
    const isBelow = locked.length > target.path.length && target.path.every((name, at) => locked[at] === name)
    const isAbove = locked.length <= target.path.length && locked.every((name, at) => target.path[at] === name)
    if (isBelow || isAbove) return { href: formatHref(target.volume, locked, false), isMember: isBelow }
  }
  return undefined
}

function targetsOf(exchange: Exchange): (DavTarget | undefined)[] {
  const destination = single(exchange, 'destination')
  return [parseTarget(exchange.path), destination === undefined ? undefined : parseReference(destination, exchange.headers.host)]
}

/** RFC 4918, sections 9.6.1 and 9.10.9. False if it is the resource itself that is locked, or one above. */
function sendLockedMember(exchange: Exchange, { details }: ShoalError): boolean {
  const locked = lockedHref(exchange, details['path'])
  if (locked?.isMember !== true) return false
  const member = responseText(locked.href, (writer) => {
    writeStatus(writer, 423)
    writer.start('D:error').start(details['isConflict'] === true ? 'D:no-conflicting-lock' : 'D:lock-token-submitted')
    writer.leaf('D:href', locked.href).end().end()
  })
  const own = exchange.method === 'LOCK' ? responseText(exchange.path, (writer) => writeStatus(writer, 424)) : ''
  const text = `${XML_DECLARATION}<D:multistatus xmlns:D="DAV:">\n${member}${own}</D:multistatus>\n`
  exchange.send(207, ['Content-Type', XML_TYPE], text)
  return true
}
