import type { ChunkStore } from '#chunk/store.ts'
import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { TransactOptions } from '#kv/store.ts'
import { type NewContents, readInline } from '#metadata/contents.ts'
import type { VolumeHandle } from '#metadata/metadata.ts'
import { type ListedObject, listObjects, type ListedVersion, listVersions, nameOfListed } from '#metadata/object-listing.ts'
import {
  changeProperties,
  type FoundVersion,
  findObjectVersion,
  type ObjectRemoval,
  putObject,
  removeObject,
  requireKeyBytes,
  type VersionName,
} from '#metadata/objects.ts'
import {
  encodeObjectPart,
  encryptionOf,
  NO_OBJECT_PART,
  type ObjectPart,
  withProperties,
  decodeObjectPart,
} from '#metadata/object-part.ts'
import { decodeKey, encodeKey } from '#metadata/object-walk.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { InodeRecord } from '#metadata/record.ts'
import { once, type ResultCodec } from '#metadata/remembered.ts'
import { plainResult, RECORD_RESULT } from '#metadata/result-codecs.ts'
import type { VolumeTransaction, VolumeView } from '#metadata/transaction.ts'
import { describeVersion, formatVersion, parseVersion, RecordObject, type StrongOpenObject } from './object-info.ts'
import { ObjectUploads, watched } from './object-uploads.ts'
import { extentsOfRange, ObjectWrites } from './object-writes.ts'
import type * as port from './objects.ts'
import type { ContentKey, ContentKeys } from './content-cipher.ts'
import { openContents } from './open-contents.ts'
import { recallEarly } from './recall-early.ts'
import type { ReadBuffers } from './read-buffers.ts'
import type { BodyStream, Caller } from './volume.ts'
import type { WriteStores } from './file-writes.ts'

/** Rows that one read of a listing looks at before others get their turn. */
const STEPS_PER_READ = 20_000
const REMOVED_RESULT = plainResult<port.RemovedObject>()

export interface StrongObjectsStores extends WriteStores {
  readonly contentKeys?: ContentKeys | undefined
  readonly chunks: ChunkStore
  readonly readBuffers: ReadBuffers
}

/** A strong volume as a bucket. */
export class StrongObjects implements port.Objects {
  readonly info: VolumeInfo
  readonly #stores: StrongObjectsStores
  readonly #volume: VolumeHandle
  readonly #writes: ObjectWrites
  readonly #uploads: ObjectUploads

  constructor(stores: StrongObjectsStores, info: VolumeInfo) {
    this.info = info
    this.#stores = stores
    this.#volume = info
    this.#writes = new ObjectWrites(stores, info)
    this.#uploads = new ObjectUploads(stores, info, this.#writes)
  }

  put(key: string, body: BodyStream | Buffer, options: port.PutOptions): Promise<port.ObjectInfo> {
    requireKeyBytes(key)
    const { request } = options.caller
    return request === undefined ? this.#store(key, body, options) : this.#putOnce(key, body, options)
  }

  /** Without a look at the body, if it was put already. */
  async #putOnce(key: string, body: BodyStream | Buffer, options: port.PutOptions): Promise<port.ObjectInfo> {
    return (await this.#recallObject(options.caller, key)) ?? this.#store(key, body, options)
  }

  async #recallObject(caller: Caller, key: string): Promise<RecordObject | undefined> {
    const before = await recallEarly(this.#stores.metadata, caller, RECORD_RESULT)
    return before && new RecordObject(key, before.result)
  }

  #store(key: string, body: BodyStream | Buffer, options: port.PutOptions): Promise<port.ObjectInfo> {
    const { caller, properties, check, expected, signal, key: contentKey } = options
    const { chunkSizeBytes } = this.info.policy
    const store = { caller, expected, signal, allowInline: true, chunkSizeBytes, key: contentKey }
    return this.#writes.store(body, store, (stored) => {
      const { contents, sha256, md5 } = stored
      return this.#publish(caller, key, {
        contents,
        sha256,
        object: withProperties({ ...NO_OBJECT_PART, md5 }, properties()),
        check,
      })
    })
  }

  async #publish(
    caller: Caller,
    key: string,
    write: { contents: NewContents; sha256: Buffer | undefined; object: ObjectPart; check: port.CheckObject | undefined },
  ): Promise<port.ObjectInfo> {
    const record = await this.#once(caller, RECORD_RESULT, (t) =>
      putObject(t, key, {
        contents: write.contents,
        sha256: write.sha256,
        object: encodeObjectPart(write.object),
        ...judge(key, write.check),
      }),
    )
    return new RecordObject(key, record)
  }

  find(key: string, versionId?: port.VersionId): Promise<port.FoundObject | undefined> {
    return this.#read((view) => {
      const found = look(view, key, versionId)
      return found === undefined ? undefined : describeVersion(key, found)
    })
  }

  async open(
    key: string,
    versionId?: port.VersionId,
  ): Promise<StrongOpenObject | { readonly marker: port.DeleteMarkerInfo } | undefined> {
    let found: FoundVersion | undefined
    let prefix: Buffer = EMPTY
    const file = await openContents(this.#stores, this.#volume, (view) => {
      found = look(view, key, versionId)
      prefix = view.prefix
      const record = found?.record
      if (record === undefined) return undefined
      return { record, inline: record.form === 'inline' ? readInline(view, record) : undefined, prefix: view.prefix }
    })
    const described = found === undefined ? undefined : describeVersion(key, found)
    if (file === undefined || described === undefined)
      return described !== undefined && 'marker' in described ? described : undefined
    const { object } = described as { object: RecordObject }
    return { object, file, prefix, unlock: (customerKey) => file.unlock(customerKey) }
  }

  async remove(key: string, options: port.RemoveOptions & { caller: Caller }): Promise<port.RemovedObject> {
    const removal = removalOf(key, options)
    if (removal === undefined) return { versionId: options.versionId, isMarker: false }
    return this.#once(options.caller, REMOVED_RESULT, (t) => describeRemoval(removeObject(t, key, removal)), { frees: true })
  }

  removeAll(
    objects: readonly (port.RemoveOptions & { readonly key: string })[],
    caller: Caller,
  ): Promise<readonly (port.RemovedObject | { readonly error: unknown })[]> {
    return this.#transact(
      caller,
      (t) =>
        objects.map((options) => {
          const removal = removalOf(options.key, options)
          if (removal === undefined) return { versionId: options.versionId, isMarker: false }
          try {
            // What it refuses it refuses before it has changed anything.
            return describeRemoval(removeObject(t, options.key, removal))
          } catch (error) {
            return { error }
          }
        }),
      { frees: true },
    )
  }

  async copy(source: port.OpenObject, key: string, options: port.CopyOptions): Promise<port.ObjectInfo> {
    requireKeyBytes(key)
    if (options.rewrite !== undefined || !isStrong(source)) return this.#rewrite(source, key, options)
    const { object, file, prefix } = source
    const { record } = object
    const { sizeBytes, sha256 } = record
    const shared = encryptionOf(record.object)?.key
    assert(shared === options.properties.encryption?.key, 'Shared contents are encrypted as their source is')
    const contents: NewContents =
      file.bytes !== undefined
        ? { kind: 'inline', bytes: file.bytes }
        : await this.#stores.metadata.readSystem((snapshot) => {
            const extents = extentsOfRange({ snapshot, prefix }, record, { offset: 0, length: sizeBytes })
            return { kind: 'extents' as const, extents, sizeBytes }
          })
    const { md5, parts } = decodeObjectPart(record.object)
    const part = withProperties({ ...NO_OBJECT_PART, md5, parts }, options.properties)
    return this.#publish(options.caller, key, { contents, sha256, object: part, check: options.check })
  }

  /** A copy whose bytes are encrypted otherwise than those of its source, or whose source is of an eventual volume. */
  #rewrite({ object, file }: port.OpenObject, key: string, options: port.CopyOptions): Promise<port.ObjectInfo> {
    const { caller, properties, check, rewrite } = options
    const bytes = file.read({ offset: 0, length: object.sizeBytes }, rewrite?.signal)
    const expected = { sizeBytes: object.sizeBytes }
    return this.put(key, bytes, { caller, properties: () => properties, check, expected, ...rewrite })
  }

  makeKey(customerKey?: Buffer): { key: ContentKey; encryption: port.ObjectEncryption } {
    const { contentKeys } = this.#stores
    if (contentKeys === undefined) throw new ShoalError('UNSUPPORTED', "This node has no master key: contents can't be encrypted")
    return contentKeys.make(customerKey)
  }

  openKey(encryption: port.ObjectEncryption, customerKey?: Buffer): ContentKey | undefined {
    return this.#stores.contentKeys?.open(encryption, customerKey)
  }

  change(key: string, options: Parameters<port.Objects['change']>[1]): Promise<port.FoundObject | undefined> {
    const { caller, versionId, change } = options
    const version = versionId === undefined ? undefined : parseVersion(versionId)
    if (versionId !== undefined && version === undefined) return Promise.resolve(undefined)
    return this.#transact(caller, (t) => {
      const found = changeProperties(t, key, { version, change })
      return found === undefined ? undefined : describeVersion(key, found)
    })
  }

  async list(options: port.ListObjectsOptions): Promise<port.ObjectListing> {
    const { prefix = '', delimiter = '', after, limit } = options
    const request = {
      prefix: encodeKey(prefix),
      delimiter: encodeKey(delimiter),
      after: after === undefined ? undefined : encodeKey(after),
      stepsMax: STEPS_PER_READ,
    }
    const items: ListedObject[] = []
    for (let from: string | undefined; ;) {
      const page = await this.#read((view) => listObjects(view, { ...request, from, limit: limit - items.length }))
      // A common prefix may go on behind the place where the page was cut short.
      const last = items.at(-1)
      items.push(...page.items.filter((item) => last === undefined || nameOfListed(item) !== nameOfListed(last)))
      from = page.from
      if (from === undefined) return { items: items.map(describeListed), isTruncated: page.isTruncated }
    }
  }

  async listVersions(options: port.ListVersionsOptions): Promise<port.VersionListing> {
    const { prefix = '', delimiter = '', after, limit } = options
    const page = await this.#read((view) =>
      listVersions(view, {
        prefix: encodeKey(prefix),
        delimiter: encodeKey(delimiter),
        after: after === undefined ? undefined : encodeKey(after),
        afterVersion: options.afterVersion === undefined ? undefined : parseVersion(options.afterVersion),
        limit,
        stepsMax: STEPS_PER_READ,
      }),
    )
    return { items: page.items.map(describeListedVersion), isTruncated: page.isTruncated }
  }

  beginUpload(key: string, start: port.UploadStart): Promise<port.ObjectUpload> {
    requireKeyBytes(key)
    return this.#uploads.begin(key, start)
  }

  findUpload(key: string, id: string): Promise<port.ObjectUpload | undefined> {
    return this.#uploads.find(key, id)
  }

  listUploads(prefix: string): Promise<readonly port.ObjectUpload[]> {
    return this.#uploads.list(prefix)
  }

  putPart(upload: port.ObjectUpload, body: BodyStream, options: port.PutPartOptions): Promise<port.ObjectPartInfo> {
    return this.#uploads.putPart(upload, body, options)
  }

  copyPart(upload: port.ObjectUpload, source: port.OpenObject, options: port.CopyPartOptions): Promise<port.ObjectPartInfo> {
    if (isStrong(source)) return this.#uploads.copyPart(upload, source, options)
    const { offset, length, signal, onBytes } = options
    return this.#uploads.putPart(upload, watched(source.file.read({ offset, length }, signal), onBytes), options)
  }

  listParts(upload: port.ObjectUpload): Promise<readonly port.ObjectPartInfo[]> {
    return this.#uploads.listParts(upload)
  }

  async complete(upload: port.ObjectUpload, options: port.CompleteOptions): Promise<port.ObjectInfo> {
    const { check, ...rest } = options
    const record = await this.#uploads.complete(upload, { ...rest, ...judge(upload.key, check) })
    return new RecordObject(upload.key, record)
  }

  async recall(key: string, caller: Caller): Promise<port.ObjectInfo | undefined> {
    return caller.request && this.#recallObject(caller, key)
  }

  abort(upload: port.ObjectUpload, caller: Caller): Promise<void> {
    return this.#uploads.abort(upload, caller)
  }

  #once<T>(caller: Caller, codec: ResultCodec<T>, fn: (t: VolumeTransaction) => T, options?: TransactOptions): Promise<T> {
    return this.#transact(caller, (t) => once(t.tx, caller.request, codec, () => fn(t)), options)
  }

  #read<T>(fn: (view: VolumeView) => T): Promise<T> {
    return this.#stores.metadata.read(this.#volume, fn)
  }

  #transact<T>(caller: Caller, fn: (t: VolumeTransaction) => T, options?: TransactOptions): Promise<T> {
    return this.#stores.metadata.transact(this.#volume, caller.principal, fn, options)
  }
}

const EMPTY = Buffer.alloc(0)

/** Whether a copy can be made by reference. */
function isStrong(source: port.OpenObject): source is StrongOpenObject {
  return source.object instanceof RecordObject
}

function look(view: VolumeView, key: string, versionId: port.VersionId | undefined): FoundVersion | undefined {
  if (versionId === undefined) return findObjectVersion(view, key)
  const version = parseVersion(versionId)
  return version === undefined ? undefined : findObjectVersion(view, key, version)
}

function judge(key: string, check: port.CheckObject | undefined): { check?: (existing: InodeRecord | undefined) => void } {
  if (check === undefined) return {}
  return { check: (existing) => check(existing === undefined ? undefined : new RecordObject(key, existing)) }
}

/** `undefined`: there can be no such version. */
function removalOf(key: string, options: port.RemoveOptions): ObjectRemoval | undefined {
  const version = options.versionId === undefined ? undefined : parseVersion(options.versionId)
  if (options.versionId !== undefined && version === undefined) return undefined
  return { version, bypass: options.bypass, ...judge(key, options.check) }
}

function describeRemoval({ version, isMarker }: { version: VersionName | undefined; isMarker: boolean }): port.RemovedObject {
  return { versionId: version === undefined ? undefined : formatVersion(version), isMarker }
}

function describeListed(item: ListedObject): port.ObjectListing['items'][number] {
  return 'key' in item ? new RecordObject(decodeKey(item.key), item.record) : { commonPrefix: decodeKey(item.commonPrefix) }
}

function describeListedVersion(item: ListedVersion): port.VersionListing['items'][number] {
  if (!('key' in item)) return { commonPrefix: decodeKey(item.commonPrefix) }
  return describeVersion(decodeKey(item.key), { ...item, isCurrent: item.isLatest })
}
