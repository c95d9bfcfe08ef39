import { type Dot, type EntryValue, formatDot, parseDot, type Version } from '#eventual/entry.ts'
import { msOf } from '#eventual/hybrid-clock.ts'
import type { ShownVersion } from '#eventual/object-entries.ts'
import {
  copiedPart,
  decodeObjectPart,
  encodeObjectPart,
  NO_OBJECT_PART,
  type ObjectPart,
  type ObjectProperties,
  objectTag,
  readProperties,
  withoutDigests,
  withProperties,
} from '#metadata/object-part.ts'
import { attributesOf } from './eventual-attributes.ts'
import type { EventualFile } from './eventual-file.ts'
import type { DeleteMarkerInfo, FoundObject, ObjectInfo, OpenObject, VersionId } from './objects.ts'

type Tags = EntryValue['tags']

/** The tag with what S3 knows of an object. */
const OBJECT_TAG = 'o'
/** A version has 16 KiB of attributes in all. */
const PROPERTIES_BYTES_MAX = 12 * 1024

/** What S3 sees: files, and what it has put under a name with a slash at its end, which is a directory for all others. */
export function isObject({ type, tags }: EntryValue): boolean {
  return type === 'file' || (type === 'directory' && tags.has(OBJECT_TAG))
}

/** An object as its version tells it. A version is named by its dot. */
export class EventualObject implements ObjectInfo {
  readonly key: string
  readonly version: ShownVersion
  readonly isLatest: boolean
  readonly #volume: string
  #properties: ObjectProperties | undefined

  constructor(volume: string, found: { readonly key: string; readonly version: ShownVersion; readonly isLatest: boolean }) {
    this.#volume = volume
    this.key = found.key
    this.version = found.version
    this.isLatest = found.isLatest
  }

  get sizeBytes(): number {
    return this.version.value.sizeBytes
  }

  get modifiedNs(): bigint {
    return this.version.value.mtimeNs
  }

  get etag(): string {
    const { inode, version, sha256 } = attributesOf(this.#volume, {
      path: this.key,
      version: this.version,
      value: this.version.value,
    })
    return objectTag({ inode, version, sha256, object: this.part })
  }

  get versionId(): VersionId {
    return formatDot(this.version)
  }

  get parts(): number {
    return decodeObjectPart(this.part).parts
  }

  get properties(): ObjectProperties {
    this.#properties ??= readProperties(this.part)
    return this.#properties
  }

  get storageClass(): string | undefined {
    return this.properties.storageClass
  }

  get part(): Buffer | undefined {
    return this.version.value.tags.get(OBJECT_TAG)
  }
}

/** An open object, with what a copy by reference needs. */
export interface EventualOpenObject extends OpenObject {
  readonly object: EventualObject
  readonly file: EventualFile
}

export function describeVersion(
  volume: string,
  { key, version, isLatest }: { readonly key: string; readonly version: Version; readonly isLatest: boolean },
): FoundObject {
  const { value } = version
  if (value !== undefined) return { object: new EventualObject(volume, { key, version: { ...version, value }, isLatest }) }
  const marker: DeleteMarkerInfo = {
    key,
    versionId: formatDot(version),
    isLatest,
    modifiedNs: BigInt(msOf(version.time)) * 1_000_000n,
    owner: '',
  }
  return { marker }
}

/** `undefined` for what can't be the id of a version. */
export function dotOfVersion(id: VersionId): Dot | undefined {
  return parseDot(id)
}

/** `tags` with what S3 knows of new contents. The checksums and lengths of very many parts are left out. */
export function withObject(
  tags: Tags,
  what: Pick<ObjectPart, 'md5' | 'parts'>,
  properties: ObjectProperties,
): Map<string, Buffer> {
  const part = withProperties({ ...NO_OBJECT_PART, ...what }, fitting(properties))
  return new Map([...tags, [OBJECT_TAG, encodeObjectPart(part)]])
}

/** `tags` with other properties of the same contents. */
export function withObjectProperties(
  tags: Tags,
  change: (properties: ObjectProperties) => ObjectProperties,
): Map<string, Buffer> {
  const before = tags.get(OBJECT_TAG)
  const part = withProperties(decodeObjectPart(before), fitting(change(readProperties(before))))
  return new Map([...tags, [OBJECT_TAG, encodeObjectPart(part)]])
}

/** `tags` once a door that knows nothing of S3 has written the contents. */
export function withoutObjectDigests(tags: Tags): Tags {
  return replaced(tags, withoutDigests(tags.get(OBJECT_TAG)))
}

/** `tags` of a copy that such a door makes. */
export function copiedTags(tags: Tags): Tags {
  return replaced(tags, copiedPart(tags.get(OBJECT_TAG)))
}

function replaced(tags: Tags, part: Buffer | undefined): Tags {
  if (!tags.has(OBJECT_TAG)) return tags
  const others = [...tags].filter(([name]) => name !== OBJECT_TAG)
  return new Map(part === undefined ? others : [...others, [OBJECT_TAG, part]])
}

function fitting(properties: ObjectProperties): ObjectProperties {
  if (JSON.stringify(properties).length <= PROPERTIES_BYTES_MAX) return properties
  const { partSizes: _sizes, checksum, ...rest } = properties
  if (checksum === undefined) return rest
  const { parts: _parts, ...whole } = checksum
  return { ...rest, checksum: whole }
}
