import { nameOfRecord, type FoundVersion, type VersionName } from '#metadata/objects.ts'
import { decodeObjectPart, hasStorageClass, type ObjectProperties, objectTag, readProperties } from '#metadata/object-part.ts'
import type { InodeRecord, Listed } from '#metadata/record.ts'
import type { ContentReader } from './content-reader.ts'
import type { DeleteMarkerInfo, FoundObject, ObjectInfo, OpenObject, VersionId } from './objects.ts'

export function formatVersion(name: VersionName): VersionId {
  return name === 'null' ? name : name.toString(16).padStart(16, '0')
}

/** `undefined` for what can't be the id of a version. */
export function parseVersion(id: VersionId): VersionName | undefined {
  if (id === 'null') return id
  const number = /^00[0-9a-f]{14}$/.test(id) ? Number.parseInt(id, 16) : Number.NaN
  return Number.isSafeInteger(number) ? number : undefined
}

/** An object as its record tells it; what is in its properties is read when it is asked for. */
export class RecordObject<Record extends Listed = InodeRecord> implements ObjectInfo {
  readonly key: string
  readonly isLatest: boolean
  readonly record: Record
  #properties: ObjectProperties | undefined

  constructor(key: string, record: Record, isLatest = true) {
    this.key = key
    this.record = record
    this.isLatest = isLatest
  }

  get sizeBytes(): number {
    return this.record.sizeBytes
  }

  get modifiedNs(): bigint {
    return this.record.mtimeNs
  }

  get etag(): string {
    return objectTag(this.record)
  }

  get versionId(): VersionId {
    return formatVersion(nameOfRecord(this.record))
  }

  get parts(): number {
    return decodeObjectPart(this.record.object).parts
  }

  get properties(): ObjectProperties {
    this.#properties ??= readProperties(this.record.object)
    return this.#properties
  }

  get storageClass(): string | undefined {
    return hasStorageClass(this.record.object) ? this.properties.storageClass : undefined
  }
}

/** An open object, with what a copy by reference needs. */
export interface StrongOpenObject extends OpenObject {
  readonly object: RecordObject
  readonly file: ContentReader
  readonly prefix: Buffer
}

export function describeVersion(key: string, found: FoundVersion): FoundObject {
  const { record, marker, isCurrent, name } = found
  if (record !== undefined) return { object: new RecordObject(key, record, isCurrent) }
  const info: DeleteMarkerInfo = {
    key,
    versionId: formatVersion(name),
    isLatest: isCurrent,
    modifiedNs: marker?.timeNs ?? 0n,
    owner: marker?.owner ?? '',
  }
  return { marker: info }
}
