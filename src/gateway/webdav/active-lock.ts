import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { parseXml } from '#gateway/xml/parse-xml.ts'
import { XML_DECLARATION, XmlWriter } from '#gateway/xml/write-xml.ts'
import type { PlacedLock } from '#volume/locks.ts'
import { formatLockToken } from './lock-token.ts'

/** What is kept of a lock's owner: the element as it came. */
export function encodeOwner(owner: XmlElement | undefined): string {
  if (owner === undefined) return ''
  return new XmlWriter('owner').element(owner).finish().slice(XML_DECLARATION.length)
}

/** `activelock` of RFC 4918, section 14.1; `href` is where the locked resource is. */
export function writeActiveLock(
  writer: XmlWriter,
  { scope, isDeep, owner, token, expiresMs }: PlacedLock['lock'],
  { href, nowMs }: { readonly href: string; readonly nowMs: number },
): void {
  writer.start('D:activelock')
  writer.start('D:locktype').leaf('D:write', '').end()
  writer.start('D:lockscope').leaf(`D:${scope}`, '').end()
  writer.leaf('D:depth', isDeep ? 'infinity' : '0')
  for (const element of owner === '' ? [] : parseXml(Buffer.from(owner)).children) writer.element(element)
  writer.leaf('D:timeout', `Second-${Math.max(1, Math.ceil((expiresMs - nowMs) / 1000))}`)
  writer.start('D:locktoken').leaf('D:href', formatLockToken(token)).end()
  writer.start('D:lockroot').leaf('D:href', href).end()
  writer.end()
}
