// Properties that clients make up: kept together, as one XML document, in an extended attribute of the resource, so that a
// change of several is one step, and copies, moves and removals take them along.

import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { parseXml } from '#gateway/xml/parse-xml.ts'
import { XML_DECLARATION, XmlWriter, type XmlToWrite } from '#gateway/xml/write-xml.ts'

/** The namespace `user` is the one that programs of other doors may show and keep. Linux' limit for a value, 64 KiB, is the
 *  limit of all dead properties of a resource together. */
export const DEAD_PROPERTIES_XATTR = 'user.webdav.properties'

export type PropertyName = Pick<XmlElement, 'name' | 'namespace'>

export const keyOf = ({ name, namespace }: PropertyName): string => `{${namespace}}${name}`

/** What others wrote into the attribute that can't be read counts as no properties. */
export function decodeDeadProperties(value: Buffer | undefined): readonly XmlElement[] {
  if (value === undefined) return []
  try {
    return parseXml(value).children
  } catch {
    return []
  }
}

/** `undefined` for none. */
export function encodeDeadProperties(properties: readonly XmlToWrite[]): Buffer | undefined {
  if (properties.length === 0) return undefined
  const writer = new XmlWriter('properties')
  for (const property of properties) writer.element(property)
  return Buffer.from(writer.finish().slice(XML_DECLARATION.length))
}
