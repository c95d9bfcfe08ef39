import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { LifecycleFilter, LifecycleRule } from '#volume/bucket-settings.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

/** Amazon S3's limits. */
const MAX_RULES = 1_000
const MAX_ID_LENGTH = 255
const MAX_NEWER = 100
const DAY_MS = 86_400_000

/** `newId` names rules that have no name. @throws MalformedXML, InvalidArgument, InvalidRequest, NotImplemented */
export function readLifecycle(root: XmlElement, newId: () => string): LifecycleRule[] {
  const { children } = root
  if (children.length === 0 || children.length > MAX_RULES) throw malformed(`1 to ${MAX_RULES} rules are expected`)
  const rules = children.map((element) => {
    if (element.name !== 'Rule') throw malformed(`it has an element ${element.name.slice(0, 40)}`)
    return readRule(element, newId)
  })
  if (new Set(rules.map(({ id }) => id)).size < rules.length)
    throw new S3Error('InvalidArgument', 'Rule ID must be unique. Found same ID for more than one rule')
  return rules
}

const RULE_ELEMENTS: ReadonlySet<string> = new Set([
  'ID',
  'Prefix',
  'Filter',
  'Status',
  'Expiration',
  'NoncurrentVersionExpiration',
  'AbortIncompleteMultipartUpload',
  'Transition',
  'NoncurrentVersionTransition',
])

function readRule(element: XmlElement, newId: () => string): LifecycleRule {
  for (const { name } of element.children)
    if (!RULE_ELEMENTS.has(name)) throw malformed(`a Rule has an element ${name.slice(0, 40)}`)
  const id = textOf(element, 'ID') ?? ''
  if (id.length > MAX_ID_LENGTH)
    throw new S3Error('InvalidArgument', `ID length should not exceed allowed limit of ${MAX_ID_LENGTH}`)
  const status = textOf(element, 'Status')
  if (status !== 'Enabled' && status !== 'Disabled') throw malformed('Status is expected to be "Enabled" or "Disabled"')
  refuseTransitions(element)
  const { form, filter } = readFilter(element)
  const expiration = readExpiration(childOf(element, 'Expiration'), filter)
  const noncurrent = readNoncurrent(childOf(element, 'NoncurrentVersionExpiration'))
  const abort = childOf(element, 'AbortIncompleteMultipartUpload')
  if (expiration === undefined && noncurrent === undefined && abort === undefined)
    throw malformed(
      'a Rule is expected to say what becomes of the objects: Expiration, NoncurrentVersionExpiration or AbortIncompleteMultipartUpload',
    )
  if (abort !== undefined && isOfContents(filter))
    throw new S3Error('InvalidRequest', 'AbortIncompleteMultipartUpload cannot be specified with Tags or sizes.')
  return {
    id: id === '' ? newId() : id,
    isEnabled: status === 'Enabled',
    form,
    filter,
    ...(expiration === undefined ? {} : { expiration }),
    ...(noncurrent === undefined ? {} : { noncurrent }),
    ...(abort === undefined
      ? {}
      : { abortUploadsDays: readDays(abort, 'DaysAfterInitiation') ?? fail('DaysAfterInitiation is missing') }),
  }
}

/** All storage classes are one here: nothing could move. A date that is none is told first. */
function refuseTransitions(element: XmlElement): void {
  for (const name of ['Transition', 'NoncurrentVersionTransition']) {
    const transition = childOf(element, name)
    if (transition === undefined) continue
    const date = textOf(transition, 'Date')
    if (date !== undefined) parseDate(date)
    throw new S3Error(
      'NotImplemented',
      `Not implemented here: ${name}, since all objects are kept alike whatever their storage class`,
    )
  }
}

function readFilter(rule: XmlElement): Pick<LifecycleRule, 'form' | 'filter'> {
  const element = childOf(rule, 'Filter')
  const prefix = textOf(rule, 'Prefix')
  if (element === undefined) return { form: 'prefix', filter: prefix === undefined || prefix === '' ? {} : { prefix } }
  if (prefix !== undefined) throw malformed('a Rule has both a Filter and a Prefix')
  const parts: LifecycleFilter[] = []
  const and = childOf(element, 'And')
  for (const part of and === undefined ? [element] : [element, and]) parts.push(readConditions(part))
  const [first = {}, second = {}] = parts
  const tags = [...(first.tags ?? []), ...(second.tags ?? [])]
  const longer = [first.prefix ?? '', second.prefix ?? ''].toSorted((a, b) => b.length - a.length)
  if (!(longer[0] ?? '').startsWith(longer[1] ?? '')) throw malformed('a Filter has two prefixes that no key can have')
  const filter = {
    ...first,
    ...second,
    ...(tags.length === 0 ? {} : { tags }),
    ...(longer[0] === '' ? {} : { prefix: longer[0] ?? '' }),
  }
  return { form: and === undefined ? 'filter' : 'and', filter }
}

function readConditions(element: XmlElement): LifecycleFilter {
  const tags: (readonly [string, string])[] = []
  const found: { prefix?: string; largerThanBytes?: number; smallerThanBytes?: number } = {}
  for (const child of element.children) {
    if (child.name === 'Prefix') found.prefix = child.text
    else if (child.name === 'Tag') tags.push([textOf(child, 'Key') ?? fail('a Tag has no Key'), textOf(child, 'Value') ?? ''])
    else if (child.name === 'ObjectSizeGreaterThan') found.largerThanBytes = readNumber(child.text, child.name)
    else if (child.name === 'ObjectSizeLessThan') found.smallerThanBytes = readNumber(child.text, child.name)
    else if (child.name !== 'And') throw malformed(`a Filter has an element ${child.name.slice(0, 40)}`)
  }
  return { ...found, ...(tags.length === 0 ? {} : { tags }) }
}

function readExpiration(element: XmlElement | undefined, filter: LifecycleFilter): LifecycleRule['expiration'] {
  if (element === undefined) return undefined
  const days = readDays(element, 'Days')
  const date = textOf(element, 'Date')
  const marker = textOf(element, 'ExpiredObjectDeleteMarker')
  if ([days, date, marker].filter((value) => value !== undefined).length !== 1)
    throw malformed('an Expiration is expected to have either Days, Date or ExpiredObjectDeleteMarker')
  if (days !== undefined) return { days }
  if (date !== undefined) return { dateMs: parseDate(date) }
  if (marker !== 'true' && marker !== 'false') throw malformed('ExpiredObjectDeleteMarker is expected to be true or false')
  if (isOfContents(filter))
    throw new S3Error('InvalidRequest', 'ExpiredObjectDeleteMarker cannot be specified with Tags or sizes.')
  return { expiredDeleteMarker: marker === 'true' }
}

function readNoncurrent(element: XmlElement | undefined): LifecycleRule['noncurrent'] {
  if (element === undefined) return undefined
  const days = readDays(element, 'NoncurrentDays') ?? fail('NoncurrentDays is missing')
  const newer = textOf(element, 'NewerNoncurrentVersions')
  if (newer === undefined) return { days }
  const newerToKeep = readNumber(newer, 'NewerNoncurrentVersions')
  if (newerToKeep < 1 || newerToKeep > MAX_NEWER)
    throw new S3Error('InvalidArgument', `NewerNoncurrentVersions is ${newerToKeep}; 1 to ${MAX_NEWER} are allowed`)
  return { days, newerToKeep }
}

function readDays(element: XmlElement, name: string): number | undefined {
  const text = textOf(element, name)
  if (text === undefined) return undefined
  const days = /^-?\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN
  if (Number.isNaN(days)) throw malformed(`${name} is "${text.slice(0, 40)}"`)
  if (days < 1) throw new S3Error('InvalidArgument', `'${name}' for the action must be a positive integer`)
  return days
}

function parseDate(text: string): number {
  const dateMs = /^\d{4}-\d{2}-\d{2}(T.*)?$/.test(text.trim()) ? Date.parse(text.trim()) : Number.NaN
  if (Number.isNaN(dateMs)) throw malformed(`the Date "${text.slice(0, 40)}" is not in ISO 8601`)
  if (dateMs % DAY_MS !== 0) throw new S3Error('InvalidArgument', "'Date' must be at midnight GMT")
  return dateMs
}

function readNumber(text: string, name: string): number {
  if (!/^\s*\d{1,15}\s*$/.test(text)) throw malformed(`${name} is "${text.slice(0, 40)}" where a number is expected`)
  return Number(text)
}

function isOfContents({ tags, largerThanBytes, smallerThanBytes }: LifecycleFilter): boolean {
  return tags !== undefined || largerThanBytes !== undefined || smallerThanBytes !== undefined
}

function childOf(element: XmlElement, name: string): XmlElement | undefined {
  return element.children.find((child) => child.name === name)
}

function textOf(element: XmlElement, name: string): string | undefined {
  return childOf(element, name)?.text
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedXML', `The lifecycle configuration can't be read: ${why}`)
}

function fail(why: string): never {
  throw malformed(why)
}

export function writeLifecycle(rules: readonly LifecycleRule[]): XmlWriter {
  const xml = new XmlWriter('LifecycleConfiguration', { xmlns: S3_NAMESPACE })
  for (const rule of rules) {
    const { id, isEnabled, expiration, noncurrent, abortUploadsDays } = rule
    xml.start('Rule').leaf('ID', id)
    writeFilter(xml, rule)
    xml.leaf('Status', isEnabled ? 'Enabled' : 'Disabled')
    if (expiration !== undefined) {
      const { days, dateMs, expiredDeleteMarker } = expiration
      const date = dateMs === undefined ? undefined : new Date(dateMs).toISOString()
      xml.start('Expiration').leaf('Days', days).leaf('Date', date).leaf('ExpiredObjectDeleteMarker', expiredDeleteMarker).end()
    }
    if (noncurrent !== undefined) {
      xml.start('NoncurrentVersionExpiration').leaf('NoncurrentDays', noncurrent.days)
      xml.leaf('NewerNoncurrentVersions', noncurrent.newerToKeep).end()
    }
    if (abortUploadsDays !== undefined)
      xml.start('AbortIncompleteMultipartUpload').leaf('DaysAfterInitiation', abortUploadsDays).end()
    xml.end()
  }
  return xml
}

function writeFilter(xml: XmlWriter, { form, filter }: LifecycleRule): void {
  const { prefix, tags = [], largerThanBytes, smallerThanBytes } = filter
  if (form === 'prefix') {
    xml.leaf('Prefix', prefix ?? '')
    return
  }
  xml.start('Filter')
  if (form === 'and') xml.start('And')
  xml.leaf('Prefix', prefix)
  for (const [key, value] of tags) xml.start('Tag').leaf('Key', key).leaf('Value', value).end()
  xml.leaf('ObjectSizeGreaterThan', largerThanBytes).leaf('ObjectSizeLessThan', smallerThanBytes)
  if (form === 'and') xml.end()
  xml.end()
}
