import type { EntryValue, Version } from '#eventual/entry.ts'
import { formatDot, shownVersion } from '#eventual/entry.ts'
import type { EventualNamespace } from '#eventual/namespace.ts'
import type { Judge, ObjectEntries } from '#eventual/object-entries.ts'
import { LIST_MAX } from '#eventual/listing.ts'
import { ShoalError } from '#foundation/errors.ts'
import { MAX_KEY_BYTES } from '#foundation/object-key.ts'
import { encodeName } from '#foundation/name.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import { decodeObjectPart } from '#metadata/object-part.ts'
import { attributesOf } from './eventual-attributes.ts'
import type { EventualContents, EventualContentStores, StoredContent } from './eventual-contents.ts'
import { EventualFile } from './eventual-file.ts'
import {
  describeVersion,
  dotOfVersion,
  EventualObject,
  type EventualOpenObject,
  isObject,
  withObject,
  withObjectProperties,
} from './eventual-object-info.ts'
import type { EventualObjectUploads } from './eventual-object-uploads.ts'
import { bounded } from './object-writes.ts'
import { watched } from './object-uploads.ts'
import type * as port from './objects.ts'
import type { BodyStream, Caller } from './volume.ts'

export interface EventualObjectsParts {
  readonly info: VolumeInfo
  readonly namespace: EventualNamespace
  readonly stores: Pick<EventualContentStores, 'chunks' | 'clock'>
  readonly contents: EventualContents
  readonly uploads: EventualObjectUploads
}

/** The name of whichever version is shown, for a volume without versioning. */
const SHOWN = 'null'

/** An eventual volume as a bucket, as this node has it: docs/eventual.md. Versions are those that conflict, each named by its dot. Removing the
 *  one that is shown by its id lets the next one be shown. A removal that won over a version is its delete marker.
 *  Conditions are judged by what is known here, in the step that makes the change. */
export class EventualObjects implements port.Objects {
  readonly info: VolumeInfo
  readonly #parts: EventualObjectsParts
  readonly #entries: ObjectEntries

  constructor(parts: EventualObjectsParts) {
    this.info = parts.info
    this.#parts = parts
    this.#entries = parts.namespace.objects()
  }

  /** Another node could not open what this one's master key has sealed. */
  makeKey(): never {
    throw new ShoalError('UNSUPPORTED', 'Encryption: an eventual volume has no such thing, every node has to read its contents')
  }

  openKey(): undefined {
    return undefined
  }

  put(key: string, body: BodyStream | Buffer, options: port.PutOptions): Promise<port.ObjectInfo> {
    requireKey(key)
    const { properties, check, expected, signal } = options
    const bytes = Buffer.isBuffer(body) ? body : bounded(body)
    const store = { ...(expected === undefined ? {} : { expected }), ...(signal === undefined ? {} : { signal }), md5: true }
    return this.#parts.contents.store(bytes, store, (stored) =>
      this.#publish(key, { ...stored, parts: 0 }, { properties: properties(), check }),
    )
  }

  async find(key: string, versionId?: port.VersionId): Promise<port.FoundObject | undefined> {
    const found = await this.#look(key, versionId)
    return found === undefined ? undefined : describeVersion(this.info.name, found)
  }

  async open(
    key: string,
    versionId?: port.VersionId,
  ): Promise<EventualOpenObject | { readonly marker: port.DeleteMarkerInfo } | undefined> {
    const found = await this.#look(key, versionId)
    if (found === undefined) return undefined
    const described = describeVersion(this.info.name, found)
    if ('marker' in described) return described
    const object = described.object as EventualObject
    const { version } = object
    const attributes = attributesOf(this.info.name, { path: key, version, value: version.value })
    const whole = { ...attributes, sizeBytes: version.value.sizeBytes }
    const file = new EventualFile(this.#parts.stores.chunks, whole, version.value.content)
    return { object, file, unlock: () => false }
  }

  async remove(key: string, options: port.RemoveOptions & { readonly caller: Caller }): Promise<port.RemovedObject> {
    const [removed] = await this.removeAll([{ ...options, key }])
    if (removed === undefined) throw new ShoalError('INTERNAL', 'A removal had no outcome')
    if ('error' in removed) throw removed.error
    return removed
  }

  async removeAll(
    objects: readonly (port.RemoveOptions & { readonly key: string })[],
  ): Promise<readonly (port.RemovedObject | { readonly error: unknown })[]> {
    const asked = objects.map(({ key, versionId, check }) => {
      const isShown = versionId === undefined || versionId === SHOWN
      const dot = isShown ? undefined : dotOfVersion(versionId)
      // What can't be a version isn't one.
      if ((!isShown && dot === undefined) || !isKey(key)) return undefined
      return { path: key, dot, counts: isObject, judge: check === undefined ? undefined : this.#judge(key, check) }
    })
    const done = (await this.#entries.remove(asked.filter((removal) => removal !== undefined))).values()
    return asked.map((removal, at) => {
      const removed = removal === undefined ? undefined : done.next().value
      if (removed !== undefined && 'error' in removed) return removed
      const isMarker = removal?.dot !== undefined && removed !== undefined && removed.value === undefined
      return { versionId: objects[at]?.versionId, isMarker }
    })
  }

  async copy(source: port.OpenObject, key: string, options: port.CopyOptions): Promise<port.ObjectInfo> {
    requireKey(key)
    const { caller, properties, check } = options
    const { object, file } = source
    if (!(object instanceof EventualObject)) {
      const bytes = file.read({ offset: 0, length: object.sizeBytes })
      return this.put(key, bytes, { caller, properties: () => properties, check, expected: { sizeBytes: object.sizeBytes } })
    }
    const { sizeBytes, sha256, content } = object.version.value
    const { md5, parts } = decodeObjectPart(object.part)
    return this.#publish(key, { sizeBytes, sha256, content, md5, parts }, { properties, check })
  }

  async change(key: string, options: Parameters<port.Objects['change']>[1]): Promise<port.FoundObject | undefined> {
    const { versionId, change } = options
    const dot = versionId === undefined || versionId === SHOWN ? undefined : dotOfVersion(versionId)
    if (dot === undefined && versionId !== undefined && versionId !== SHOWN) return undefined
    const found = await this.#look(key, versionId)
    if (found === undefined || found.version.value === undefined) return found && describeVersion(this.info.name, found)
    if (!found.isLatest)
      throw new ShoalError(
        'UNSUPPORTED',
        `Version "${formatDot(found.version)}" lost against another one, and stays as it is: restore it first`,
      )
    const changed = await this.#entries.change(key, dot, (value) => ({
      ...value,
      tags: withObjectProperties(value.tags, change),
    }))
    return changed === undefined ? undefined : describeVersion(this.info.name, { key, version: changed, isLatest: true })
  }

  async list({ prefix = '', delimiter = '', after, limit }: port.ListObjectsOptions): Promise<port.ObjectListing> {
    const items: (port.ObjectInfo | { readonly commonPrefix: string })[] = []
    const from = after === undefined ? {} : { after }
    for (let cursor: string | undefined; items.length < limit;) {
      const page = await this.#parts.namespace.list({
        prefix,
        delimiter,
        ...(cursor === undefined ? from : { cursor }),
        limit: Math.min(limit - items.length, LIST_MAX),
        counts: isObject,
      })
      for (const item of page.items) {
        if ('commonPrefix' in item) items.push(item)
        else {
          const { path, version, value } = item.entry
          items.push(new EventualObject(this.info.name, { key: path, version: { ...version, value }, isLatest: true }))
        }
      }
      if (page.next === undefined) return { items, isTruncated: false }
      cursor = page.next
    }
    return { items, isTruncated: limit > 0 }
  }

  async listVersions(options: port.ListVersionsOptions): Promise<port.VersionListing> {
    const { prefix = '', delimiter = '', after, limit } = options
    const items: port.VersionListing['items'][number][] = []
    const dot = options.afterVersion === undefined ? undefined : dotOfVersion(options.afterVersion)
    const request = { prefix, delimiter, after, afterVersion: dot, counts: isObject }
    for (let cursor: string | undefined; items.length < limit;) {
      const page = await this.#entries.list({ ...request, cursor, limit: limit - items.length })
      for (const item of page.items) {
        if ('commonPrefix' in item) items.push(item)
        else items.push(describeVersion(this.info.name, { ...item, key: item.path }))
      }
      cursor = page.next
      if (cursor === undefined) return { items, isTruncated: page.isTruncated }
    }
    return { items, isTruncated: limit > 0 }
  }

  beginUpload(key: string, start: port.UploadStart): Promise<port.ObjectUpload> {
    requireKey(key)
    return this.#parts.uploads.begin(key, start)
  }

  findUpload(key: string, id: string): Promise<port.ObjectUpload | undefined> {
    return this.#parts.uploads.find(key, id)
  }

  listUploads(prefix: string): Promise<readonly port.ObjectUpload[]> {
    return this.#parts.uploads.list(prefix)
  }

  putPart(upload: port.ObjectUpload, body: BodyStream, options: port.PutPartOptions): Promise<port.ObjectPartInfo> {
    return this.#parts.uploads.putPart(upload, body, options)
  }

  /** The bytes are read, and written: two files that share a part of a chunk there are not. */
  copyPart(upload: port.ObjectUpload, source: port.OpenObject, options: port.CopyPartOptions): Promise<port.ObjectPartInfo> {
    const { offset, length, signal, onBytes } = options
    return this.#parts.uploads.putPart(upload, watched(source.file.read({ offset, length }, signal), onBytes), options)
  }

  listParts(upload: port.ObjectUpload): Promise<readonly port.ObjectPartInfo[]> {
    return this.#parts.uploads.listParts(upload)
  }

  async complete(upload: port.ObjectUpload, { parts, checksum, check }: port.CompleteOptions): Promise<port.ObjectInfo> {
    const { uploads, contents } = this.#parts
    const { key } = upload
    const whole = await uploads.assemble(upload, { parts, checksum })
    const object = await contents.joined(whole.extents, (content) => {
      const stored = { sizeBytes: whole.sizeBytes, sha256: undefined, md5: whole.md5, parts: parts.length, content }
      return this.#publish(key, stored, { properties: whole.properties, check, along: whole.end })
    })
    await uploads.clear(upload)
    return object
  }

  abort(upload: port.ObjectUpload): Promise<void> {
    return this.#parts.uploads.abort(upload)
  }

  async #publish(
    key: string,
    stored: Omit<StoredContent, 'md5'> & { readonly md5: Buffer | undefined; readonly parts: number },
    write: Pick<port.CopyOptions, 'properties' | 'check'> & { readonly along?: Parameters<ObjectEntries['put']>[1]['along'] },
  ): Promise<port.ObjectInfo> {
    const { md5, parts, ...content } = stored
    const { properties, check, along } = write
    const before = shownVersion({ versions: await this.#entries.versions(key), context: new Map() })?.value
    const tags = withObject(before?.tags ?? new Map<string, Buffer>(), { md5, parts }, properties)
    const value = { ...this.#newValue(key, before), ...content, tags }
    const judge = check === undefined ? undefined : this.#judge(key, check)
    const version = await this.#entries.put(key, { value, judge, along })
    return new EventualObject(this.info.name, { key, version, isLatest: true })
  }

  /** What other doors have set of a file stays. */
  #newValue(key: string, before: EntryValue | undefined): Omit<EntryValue, 'content' | 'sizeBytes' | 'sha256' | 'tags'> {
    const nowNs = this.#parts.stores.clock.nowNs()
    const type = key.endsWith('/') ? 'directory' : 'file'
    const made = { type, mode: type === 'file' ? 0o644 : 0o755, uid: 0, gid: 0, btimeNs: nowNs, mtimeNs: nowNs } as const
    if (before === undefined || before.type !== type) return made
    const { mode, uid, gid, btimeNs } = before
    return { ...made, mode, uid, gid, btimeNs }
  }

  async #look(
    key: string,
    versionId: port.VersionId | undefined,
  ): Promise<{ readonly key: string; readonly version: Version; readonly isLatest: boolean } | undefined> {
    if (!isKey(key)) return undefined
    const versions = await this.#entries.versions(key)
    const dot = versionId === undefined || versionId === SHOWN ? undefined : dotOfVersion(versionId)
    if (dot === undefined && versionId !== undefined && versionId !== SHOWN) return undefined
    const at = dot === undefined ? 0 : versions.findIndex(({ time, node }) => time === dot.time && node === dot.node)
    const version = versions[at]
    if (version === undefined) return undefined
    // A removal is of interest as long as it hides something.
    const isSeen = version.value === undefined ? versions.some(isVersionOfObject) : isVersionOfObject(version)
    return isSeen ? { key, version, isLatest: at === 0 } : undefined
  }

  #judge(key: string, check: port.CheckObject): Judge {
    return (shown) => {
      const isSeen = shown !== undefined && isObject(shown.value)
      check(isSeen ? new EventualObject(this.info.name, { key, version: shown, isLatest: true }) : undefined)
    }
  }
}

const isVersionOfObject = ({ value }: Version): boolean => value !== undefined && isObject(value)

function isKey(key: string): boolean {
  return key !== '' && encodeName(key).length <= MAX_KEY_BYTES
}

/** @throws NAME_TOO_LONG, INVALID_PATH */
function requireKey(key: string): void {
  if (isKey(key)) return
  throw key === ''
    ? new ShoalError('INVALID_PATH', 'The key is empty')
    : new ShoalError('NAME_TOO_LONG', `The key has more than ${MAX_KEY_BYTES} bytes`)
}
