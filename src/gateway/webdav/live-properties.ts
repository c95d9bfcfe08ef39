// Properties that say what a resource is: RFC 4918, section 15, the quota of RFC 4331, and Apache's executable bit.

import type { Attributes } from '#metadata/attributes.ts'
import { entityTag } from '#metadata/attributes.ts'
import { formatHttpDate } from '#gateway/http/http-date.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import type { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { PlacedLock } from '#volume/locks.ts'
import { writeActiveLock } from './active-lock.ts'
import { contentTypeOf } from './content-type.ts'
import type { PropertyName } from './dead-properties.ts'
import { keyOf } from './dead-properties.ts'

export const EXECUTABLE: PropertyName = { namespace: 'http://apache.org/dav/props/', name: 'executable' }

export interface Resource {
  readonly href: string
  readonly name: string
  readonly isCollection: boolean
  /** `undefined` for the list of volumes. */
  readonly attributes: Attributes | undefined
  readonly dead: readonly XmlElement[]
  readonly locks: readonly PlacedLock[]
}

/** What properties need beside the resource, as far as it was asked for. */
export interface PropertyFacts {
  readonly nowMs: number
  /** Of the volume; without a limit that is known, `availableBytes` is `undefined`. */
  readonly quota: { readonly usedBytes: number; readonly availableBytes: number | undefined } | undefined
  hrefOf(lock: PlacedLock): string
}

/** Writes the property; false if the resource doesn't have it. */
type WriteProperty = (writer: XmlWriter, resource: Resource, facts: PropertyFacts) => boolean

interface LiveProperty {
  readonly write: WriteProperty
  /** Only those who ask by name get it (RFC 4331, section 3: computing a quota may be costly). */
  readonly isCostly?: true
  /** Clients may change it. */
  readonly isWritable?: true
}

/** An element with text, where there is any. */
function textual(name: string, text: (resource: Resource, facts: PropertyFacts) => string | number | undefined): WriteProperty {
  return (writer, resource, facts) => {
    const value = text(resource, facts)
    writer.leaf(`D:${name}`, value)
    return value !== undefined
  }
}

const milliseconds = (timeNs: bigint): number => Number(timeNs / 1_000_000n)

const ofFiles =
  (value: (attributes: Attributes, resource: Resource) => string | number) =>
  (resource: Resource): string | number | undefined =>
    resource.isCollection || resource.attributes === undefined ? undefined : value(resource.attributes, resource)

const ofAll =
  (value: (attributes: Attributes) => string) =>
  ({ attributes }: Resource): string | undefined =>
    attributes === undefined ? undefined : value(attributes)

const DAV_PROPERTIES: Readonly<Record<string, LiveProperty>> = {
  creationdate: {
    write: textual(
      'creationdate',
      ofAll(({ btimeNs }) => isoDate(milliseconds(btimeNs))),
    ),
  },
  displayname: {
    write: (writer, resource) => {
      if (resource.dead.some(({ name, namespace }) => name === 'displayname' && namespace === 'DAV:')) return false
      writer.leaf('D:displayname', resource.name)
      return true
    },
    isWritable: true,
  },
  getcontentlength: {
    write: textual(
      'getcontentlength',
      ofFiles(({ sizeBytes }) => sizeBytes),
    ),
  },
  getcontenttype: {
    write: textual(
      'getcontenttype',
      ofFiles((_attributes, { name }) => contentTypeOf(name)),
    ),
  },
  getetag: { write: textual('getetag', ofFiles(entityTag)) },
  getlastmodified: {
    write: textual(
      'getlastmodified',
      ofAll(({ mtimeNs }) => formatHttpDate(milliseconds(mtimeNs))),
    ),
  },
  lockdiscovery: { write: writeLockDiscovery },
  'quota-available-bytes': {
    write: textual('quota-available-bytes', ({ isCollection }, { quota }) => (isCollection ? quota?.availableBytes : undefined)),
    isCostly: true,
  },
  'quota-used-bytes': {
    write: textual('quota-used-bytes', ({ isCollection }, { quota }) => (isCollection ? quota?.usedBytes : undefined)),
    isCostly: true,
  },
  resourcetype: {
    write: (writer, { isCollection }) => {
      writer.start('D:resourcetype')
      if (isCollection) writer.leaf('D:collection', '')
      writer.end()
      return true
    },
  },
  supportedlock: {
    write: (writer, { attributes }) => {
      if (attributes === undefined) return false
      writer.start('D:supportedlock')
      for (const scope of ['exclusive', 'shared']) {
        writer.start('D:lockentry')
        writer.start('D:lockscope').leaf(`D:${scope}`, '').end()
        writer.start('D:locktype').leaf('D:write', '').end()
        writer.end()
      }
      writer.end()
      return true
    },
  },
}

const LIVE: ReadonlyMap<string, LiveProperty> = new Map<string, LiveProperty>([
  ...Object.entries(DAV_PROPERTIES).map(([name, live]) => [keyOf({ namespace: 'DAV:', name }), live] as const),
  [keyOf(EXECUTABLE), { write: writeExecutable, isWritable: true }],
])

export const LIVE_NAMES: readonly PropertyName[] = [
  ...Object.keys(DAV_PROPERTIES).map((name) => ({ namespace: 'DAV:', name })),
  EXECUTABLE,
]

export function findLive(name: PropertyName): LiveProperty | undefined {
  return LIVE.get(keyOf(name))
}

function writeLockDiscovery(writer: XmlWriter, { attributes, locks }: Resource, facts: PropertyFacts): boolean {
  if (attributes === undefined) return false
  writer.start('D:lockdiscovery')
  for (const lock of locks) writeActiveLock(writer, lock.lock, { href: facts.hrefOf(lock), nowMs: facts.nowMs })
  writer.end()
  return true
}

function writeExecutable(writer: XmlWriter, { attributes, isCollection }: Resource): boolean {
  if (attributes === undefined || isCollection) return false
  writer.element({ ...EXECUTABLE, content: [(attributes.mode & 0o100) === 0 ? 'F' : 'T'] })
  return true
}

/** RFC 3339, in whole seconds: some clients read no fractions. */
function isoDate(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
