import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { parseXml } from '#gateway/xml/parse-xml.ts'

/** A request names properties and their values: 64 KiB of values is what a resource can have. */
const MAX_BODY_BYTES = 256 * 1024
const LIMITS = { maxBytes: MAX_BODY_BYTES, maxDepth: 64, maxElements: 10_000 }

/** The document in the body; `undefined` without a body. @throws INVALID_ARGUMENT for another outermost element, TOO_LARGE */
export async function readXmlBody(exchange: Exchange, name: string): Promise<XmlElement | undefined> {
  const bytes = await exchange.body(MAX_BODY_BYTES).collect()
  if (bytes.length === 0) return undefined
  const root = parseXml(bytes, LIMITS)
  if (root.namespace !== 'DAV:' || root.name !== name) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `The body begins with "${root.name.slice(0, 80)}" of the namespace "${root.namespace.slice(0, 80)}"; "${name}" of "DAV:" is expected`,
    )
  }
  return root
}

export const isDav = (element: XmlElement, name: string): boolean => element.namespace === 'DAV:' && element.name === name
