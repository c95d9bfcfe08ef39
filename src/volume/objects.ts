import type { ChecksumAlgorithm, ObjectChecksum, ObjectEncryption, ObjectProperties } from '#metadata/object-part.ts'
import type { UploadId } from '#foundation/ids.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { ContentKey } from './content-cipher.ts'
import type { BodyStream, Caller, ExpectedContent, OpenFile } from './volume.ts'

export type { ChecksumAlgorithm, ContentKey, ObjectChecksum, ObjectEncryption, ObjectProperties }
export { CHECKSUM_ALGORITHMS } from '#metadata/object-part.ts'

/** `null`, or 16 hexadecimal digits: of two versions of a key the later one is greater. Of an eventual volume the time and the node of its
 *  write, 14 hexadecimal digits, a dash and 32. */
export type VersionId = string

/** One version of an object, without its contents. */
export interface ObjectInfo {
  readonly key: string
  readonly sizeBytes: number
  readonly modifiedNs: bigint
  /** Without quotes: digits of an MD5, or with a dash in it something else. */
  readonly etag: string
  readonly versionId: VersionId
  readonly isLatest: boolean
  /** How many parts it was uploaded in; 0 for one that came in one piece. */
  readonly parts: number
  readonly properties: ObjectProperties
  /** As it was given; most have none. */
  readonly storageClass: string | undefined
}

/** A place in a key's history where nothing is. */
export interface DeleteMarkerInfo {
  readonly key: string
  readonly versionId: VersionId
  readonly isLatest: boolean
  readonly modifiedNs: bigint
  readonly owner: string
}

export type FoundObject = { readonly object: ObjectInfo } | { readonly marker: DeleteMarkerInfo }

/** An object with its contents, fixed at the moment of `open`. `file` must be closed. */
export interface OpenObject {
  readonly object: ObjectInfo
  readonly file: OpenFile
  /** For contents that are encrypted with a key of their client's: false if that isn't the key. */
  unlock(customerKey: Buffer): boolean
}

/** Judges what is there, inside the step that changes it; what it throws is what the call throws. */
export type CheckObject = (existing: ObjectInfo | undefined) => void

export interface PutOptions {
  readonly caller: Caller
  /** Asked once all contents have come. */
  readonly properties: () => ObjectProperties
  readonly check?: CheckObject | undefined
  readonly expected?: ExpectedContent | undefined
  /** Encrypts the contents; the properties say so too. */
  readonly key?: ContentKey | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CopyOptions {
  readonly caller: Caller
  /** Writes the contents anew, encrypted otherwise than the source. Without it they are shared, and the properties must
   *  have the source's encryption. */
  readonly rewrite?: { readonly key: ContentKey | undefined; readonly signal?: AbortSignal } | undefined
  readonly properties: ObjectProperties
  readonly check?: CheckObject | undefined
}

export interface RemoveOptions {
  readonly versionId?: VersionId | undefined
  readonly check?: CheckObject | undefined
  /** Passes retention in governance mode by. */
  readonly bypass?: boolean | undefined
}

export interface RemovedObject {
  /** The version removed, or of the delete marker made; `undefined` where there are no versions. */
  readonly versionId: VersionId | undefined
  /** A marker was made, or one was removed. */
  readonly isMarker: boolean
}

export interface ListObjectsOptions {
  readonly prefix?: string
  readonly delimiter?: string
  /** Behind this key; where it is a common prefix, behind all keys that it stands for. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface ObjectListing {
  /** Objects and common prefixes in the byte order of their names. */
  readonly items: readonly (ObjectInfo | { readonly commonPrefix: string })[]
  readonly isTruncated: boolean
}

export interface ListVersionsOptions extends ListObjectsOptions {
  /** Of the key `after`, versions older than this are listed too. */
  readonly afterVersion?: VersionId | undefined
}

export interface VersionListing {
  readonly items: readonly (FoundObject | { readonly commonPrefix: string })[]
  readonly isTruncated: boolean
}

export interface UploadStart {
  readonly caller: Caller
  readonly properties: ObjectProperties
  /** What the checksum of the object shall be made of. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly type: ObjectChecksum['type'] } | undefined
}

export interface ObjectUpload {
  readonly id: UploadId
  readonly key: string
  readonly startedNs: bigint
  readonly owner: string
  readonly properties: ObjectProperties
  readonly checksum: UploadStart['checksum']
}

export interface ObjectPartInfo {
  readonly number: number
  readonly sizeBytes: number
  /** MD5 in hexadecimal digits. */
  readonly etag: string
  readonly modifiedNs: bigint
  /** Base64. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined
}

export interface PutPartOptions {
  readonly caller: Caller
  readonly number: number
  readonly expected?: ExpectedContent | undefined
  /** Asked once all contents have come. */
  readonly checksum: () => ObjectPartInfo['checksum']
  /** That of the upload's encryption. */
  readonly key?: ContentKey | undefined
  readonly signal?: AbortSignal | undefined
}

export interface CopyPartOptions extends PutPartOptions {
  readonly offset: number
  readonly length: number
  /** Sees the bytes as they are read for their MD5. */
  readonly onBytes?: (bytes: Uint8Array) => void
}

export interface CompleteOptions {
  readonly caller: Caller
  /** Which parts become the object, in ascending order; judged by the caller. */
  readonly parts: readonly ObjectPartInfo[]
  readonly checksum: ObjectChecksum | undefined
  readonly check?: CheckObject | undefined
}

/** A volume as a bucket of S3: flat keys of 1 to 1,024 bytes, in names as `decodeName` makes them. The same files that
 *  every other door sees, at the paths of `pathOfKey`.
 *
 *  Changes are atomic and durable when their promise resolves. Digests and checksums are the caller's to compare but for
 *  those in `expected`. @throws VOLUME_NOT_FOUND, NAME_TOO_LONG, QUOTA_EXCEEDED, NO_SPACE, NOT_PERMITTED for what a
 *  legal hold or a retention protects */
export interface Objects {
  readonly info: VolumeInfo

  /** A key for new contents, to be kept with them as `encryption`: sealed by the node, or by what its client brings each
   *  time. @throws UNSUPPORTED where there is no master key */
  makeKey(customerKey?: Buffer): { readonly key: ContentKey; readonly encryption: ObjectEncryption }
  /** `undefined` if it was sealed otherwise. */
  openKey(encryption: ObjectEncryption, customerKey?: Buffer): ContentKey | undefined
  /** What a request of this caller that was done already has made of `key`: for one whose source or upload may be gone by now. Only where
   *  results are remembered. @throws UNAVAILABLE if it is a question, and was not done */
  recall?(key: string, caller: Caller): Promise<ObjectInfo | undefined>
  /** Makes or replaces the object in one step. Directories on the way are made; they go with the last object in them. */
  put(key: string, body: BodyStream | Buffer, options: PutOptions): Promise<ObjectInfo>
  /** A delete marker, where that is the version asked for or the newest one. */
  find(key: string, versionId?: VersionId): Promise<FoundObject | undefined>
  open(key: string, versionId?: VersionId): Promise<OpenObject | { readonly marker: DeleteMarkerInfo } | undefined>
  remove(key: string, options: RemoveOptions & { readonly caller: Caller }): Promise<RemovedObject>
  /** Removes several, each for itself: what one of them threw is its result. */
  removeAll(
    objects: readonly (RemoveOptions & { readonly key: string })[],
    caller: Caller,
  ): Promise<readonly (RemovedObject | { readonly error: unknown })[]>
  /** Copies `source`, which may be of another volume, by reference. It stays open. */
  copy(source: OpenObject, key: string, options: CopyOptions): Promise<ObjectInfo>
  /** Changes properties, which changes neither contents nor version. */
  change(
    key: string,
    options: {
      readonly caller: Caller
      readonly versionId?: VersionId | undefined
      readonly change: (properties: ObjectProperties) => ObjectProperties
    },
  ): Promise<FoundObject | undefined>
  list(options: ListObjectsOptions): Promise<ObjectListing>
  listVersions(options: ListVersionsOptions): Promise<VersionListing>

  beginUpload(key: string, start: UploadStart): Promise<ObjectUpload>
  findUpload(key: string, id: string): Promise<ObjectUpload | undefined>
  /** All of them by key, then by when they began. */
  listUploads(prefix: string): Promise<readonly ObjectUpload[]>
  putPart(upload: ObjectUpload, body: BodyStream, options: PutPartOptions): Promise<ObjectPartInfo>
  /** Takes `[offset, offset + length)` of `source` as a part by reference; its bytes are read for their MD5. */
  copyPart(upload: ObjectUpload, source: OpenObject, options: CopyPartOptions): Promise<ObjectPartInfo>
  listParts(upload: ObjectUpload): Promise<readonly ObjectPartInfo[]>
  /** Publishes the parts as the object, by reference, in one step. */
  complete(upload: ObjectUpload, options: CompleteOptions): Promise<ObjectInfo>
  abort(upload: ObjectUpload, caller: Caller): Promise<void>
}

/** Opens volumes as buckets. */
export interface ObjectVolumes {
  /** @throws VOLUME_NOT_FOUND */
  openObjects(name: string): Promise<Objects>
  /** Removes a volume in which there is nothing but directories, which S3 doesn't see. @throws VOLUME_NOT_EMPTY,
   *  VOLUME_NOT_FOUND */
  removeBucket(name: string, caller: Caller): Promise<void>
}
