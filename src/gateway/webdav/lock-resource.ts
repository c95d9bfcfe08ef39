import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { PlacedLock } from '#volume/locks.ts'
import { encodeOwner, writeActiveLock } from './active-lock.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import { type EntryTarget, formatHref } from './dav-target.ts'
import { formatLockToken, parseLockToken } from './lock-token.ts'
import { XML_TYPE } from './multistatus.ts'
import { isDav, readXmlBody } from './read-xml-body.ts'
import { readDepth, readTimeoutMs, single } from './request-headers.ts'

/** LOCK: takes a lock, or without a body lets those last longer that the If header names (RFC 4918, section 9.10). */
export async function lockResource(request: DavRequest<EntryTarget>): Promise<void> {
  const { exchange, services, target, caller } = request
  const { path } = target
  const isDeep = readDepth(exchange, ['0', 'infinity'], 'infinity') === 'infinity'
  const info = await readXmlBody(exchange, 'lockinfo')
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  const options = { caller, guard, timeoutMs: readTimeoutMs(exchange) }
  if (info === undefined) {
    if (guard.tokens.length === 0)
      throw new ShoalError('INVALID_ARGUMENT', 'LOCK without a body refreshes locks: name them in the If header')
    return send(request, 200, { locks: await volume.locks.refresh(path, options) })
  }
  const wanted = { scope: readScope(info), isDeep, owner: encodeOwner(info.children.find((child) => isDav(child, 'owner'))) }
  const taken = await volume.locks.take(path, wanted, options)
  const headers = ['Lock-Token', `<${formatLockToken(taken.lock.token)}>`]
  return send(request, taken.created ? 201 : 200, { locks: [taken], headers })
}

function readScope(info: XmlElement): 'exclusive' | 'shared' {
  const scope = info.children.find((child) => isDav(child, 'lockscope'))
  const type = info.children.find((child) => isDav(child, 'locktype'))
  if (type?.children.some((child) => isDav(child, 'write')) !== true)
    throw new ShoalError('INVALID_ARGUMENT', 'The body of LOCK asks for no lock that there is: the type is "write"')
  const isShared = scope?.children.some((child) => isDav(child, 'shared')) === true
  const isExclusive = scope?.children.some((child) => isDav(child, 'exclusive')) === true
  if (isShared === isExclusive)
    throw new ShoalError('INVALID_ARGUMENT', 'The body of LOCK asks for one scope: "exclusive" or "shared"')
  return isShared ? 'shared' : 'exclusive'
}

function send(
  { exchange, services, target }: DavRequest<EntryTarget>,
  status: number,
  { locks, headers = [] }: { readonly locks: readonly PlacedLock[]; readonly headers?: string[] },
): void {
  const writer = new XmlWriter('D:prop', { 'xmlns:D': 'DAV:' }).start('D:lockdiscovery')
  const nowMs = services.clock.nowMs()
  for (const { lock, root } of locks) writeActiveLock(writer, lock, { href: formatHref(target.volume, root, false), nowMs })
  exchange.send(status, ['Content-Type', XML_TYPE, ...headers], `${writer.finish()}\n`)
}

/** UNLOCK (RFC 4918, section 9.11). */
export async function unlockResource({ exchange, services, target, caller }: DavRequest<EntryTarget>): Promise<void> {
  const token = readLockToken(exchange)
  const volume = await services.volumes.open(target.volume)
  await volume.locks.giveUp(target.path, token, caller)
  exchange.send(204, [])
}

function readLockToken(exchange: Exchange): string {
  const header = single(exchange, 'lock-token')
  const match = /^\s*<([^<>]+)>\s*$/.exec(header ?? '')
  if (match === null)
    throw new ShoalError('INVALID_ARGUMENT', 'UNLOCK needs the header Lock-Token, with the token in "<" and ">"')
  return parseLockToken(match[1] as string)
}
