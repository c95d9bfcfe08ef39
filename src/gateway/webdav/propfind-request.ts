import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import type { PropertyName } from './dead-properties.ts'
import { keyOf } from './dead-properties.ts'
import { isDav, readXmlBody } from './read-xml-body.ts'

export type AskedProperties =
  | { readonly kind: 'all'; readonly include: readonly PropertyName[] }
  | { readonly kind: 'names' }
  | { readonly kind: 'these'; readonly names: readonly PropertyName[] }

/** What PROPFIND asks for; without a body everything. @throws INVALID_ARGUMENT */
export async function readAsked(exchange: Exchange): Promise<AskedProperties> {
  const root = await readXmlBody(exchange, 'propfind')
  if (root === undefined) return { kind: 'all', include: [] }
  const find = (name: string): XmlElement | undefined => root.children.find((child) => isDav(child, name))
  const [prop, all, names] = [find('prop'), find('allprop'), find('propname')]
  if ([prop, all, names].filter((each) => each !== undefined).length !== 1)
    throw new ShoalError('INVALID_ARGUMENT', 'The body of PROPFIND has one of "prop", "allprop" and "propname" of "DAV:" in it')
  if (prop !== undefined) return { kind: 'these', names: prop.children }
  if (names !== undefined) return { kind: 'names' }
  return { kind: 'all', include: find('include')?.children ?? [] }
}

const DAV = (name: string): string => keyOf({ namespace: 'DAV:', name })

/** Whether a property is asked for by its name. */
export function isNamed(asked: AskedProperties, ...names: readonly string[]): boolean {
  if (asked.kind === 'names') return false
  const listed = asked.kind === 'these' ? asked.names : asked.include
  return listed.some((each) => names.some((name) => keyOf(each) === DAV(name)))
}
