import type { ChunkId, InodeId, UploadId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { Attributes, FileType } from '#metadata/attributes.ts'
import type { ChangeKind } from '#metadata/change-feed.ts'
import type { RenameMode } from '#metadata/entries.ts'
import type { AttributeChanges, Conditions } from '#metadata/files.ts'
import type { WriteGuard } from '#metadata/lock-guard.ts'
import type { VolumeInfo, VolumePolicy } from '#metadata/policy.ts'
import type { ReservedRange } from '#metadata/range-writes.ts'
import type { AskedOptions, FollowOptions, Heard } from './feed-questions.ts'
import type { FileLocks } from './file-locks.ts'

export { checkXattr } from '#metadata/xattrs.ts'
export type { AttributeChanges, ChangeKind, Conditions, RenameMode, ReservedRange }

/** Who asks: recorded in the change feed. */
export interface Caller {
  readonly principal: string
  /** By what the request is known when it comes again: then a strong volume answers the change as it did before, and changes nothing. A call
   *  for each, or a part of the mark. */
  readonly request?: RequestMark | undefined
}

export interface Entry {
  /** Relative to the directory that was listed: one name, or several in a recursive listing. */
  readonly path: Path
  readonly attributes: Attributes
  /** Of the extended attribute that was asked for, where the entry has it. */
  readonly xattr?: Buffer
}

export interface ListOptions {
  /** `next` of the page before. @throws INVALID_ARGUMENT if it wasn't made by this listing */
  readonly cursor?: string
  /** 1 to 10,000; 1,000 by default. */
  readonly limit?: number
  /** Depth first, in the byte order of the full paths as S3 has it; a directory comes before what is in it. */
  readonly recursive?: boolean
  /** An extended attribute to be given with each entry. */
  readonly xattr?: string
}

export interface Listing {
  readonly entries: readonly Entry[]
  /** Present when there may be more. */
  readonly next: string | undefined
}

/** One content of a file, fixed at the moment of `openFile`: later changes of the path don't show in it. */
export interface OpenFile {
  readonly attributes: Attributes
  /** The whole contents, where they are at hand without a further step; read-only. */
  readonly bytes: Buffer | undefined
  /** The bytes of `[offset, offset + length)`, each verified, holes as zeros. Pulls at most a few chunk reads ahead of
   *  the consumer. A buffer of 256 KiB or more may be used again when the next one is asked for. @throws CORRUPT, CHUNK_MISSING, STORAGE_FAILED */
  read(range: { readonly offset: number; readonly length: number }, signal?: AbortSignal): AsyncIterableIterator<Buffer>
  /** Lets go of what `read` needs. Repeating it is harmless. */
  close(): void
}

export interface ExpectedContent {
  /** The exact length announced. Shorter: INCOMPLETE_BODY; longer: INVALID_ARGUMENT. */
  readonly sizeBytes?: number
  /** Digests announced; others: DIGEST_MISMATCH. */
  readonly sha256?: Buffer
  readonly md5?: Buffer
}

/** Bytes to store, read once. */
export interface BodyStream extends AsyncIterable<Uint8Array> {
  /** Takes back a piece that nobody looks at any more: its memory can serve again before a garbage collection. */
  release?(piece: Uint8Array): void
  /** Puts what comes next into `target`, instead of giving it piece by piece: how many bytes that were, fewer than there is room for
   *  only at the end. Nobody does both with one body. */
  readonly fill?: ((target: Uint8Array) => Promise<number>) | undefined
}

export interface WriteOptions {
  readonly caller: Caller
  readonly conditions?: Conditions
  /** Of an eventual volume: the entity tag of the version that the writer had read. What other nodes have written since, which he can't have known,
   *  stays beside the new one as a conflict. */
  readonly base?: string
  readonly expected?: ExpectedContent
  readonly attributes?: AttributeChanges
  /** Makes missing directories on the way (mode 0755). */
  readonly createParents?: boolean
  readonly guard?: WriteGuard
  /** Computes the SHA-256 of the whole even where it costs a pass of its own (files of several chunks). */
  readonly digest?: boolean
  readonly signal?: AbortSignal
}

export interface WriteResult {
  readonly attributes: Attributes
  /** True if the path did not exist before. */
  readonly created: boolean
  /** Of an upload: where it was published. */
  readonly path?: Path
}

export interface UploadInfo {
  readonly id: UploadId
  readonly path: Path
  readonly startedNs: bigint
  readonly expiresNs: bigint
  readonly parts: readonly UploadPart[]
}

export interface UploadPart {
  /** 1 to 10,000; the file is the parts in ascending order. A part sent again replaces the one before. */
  readonly number: number
  readonly sizeBytes: number
  readonly sha256: Buffer
}

/** What a chunk, or one copy of it, is in: the words are those of MogileFS' successors, docs/glossary.md. */
export type CopyState =
  | 'uploading'
  | 'need-replication'
  | 'replication-out'
  | 'replication-in'
  | 'stored'
  | 'to-delete'
  | 'corrupt'
  | 'missing'

export interface ChunkLocation {
  readonly offset: number
  readonly length: number
  /** `undefined`: the bytes are kept inline in the metadata, or are a hole. */
  readonly chunk: ChunkId | undefined
  readonly kind: 'inline' | 'chunk' | 'hole'
  /** Ids of the nodes that hold the bytes. */
  readonly nodes: readonly string[]
  /** Each copy of a chunk, also those on their way. */
  readonly copies: readonly { readonly node: string; readonly state: CopyState }[]
  readonly state: CopyState
}

export interface Locations {
  readonly attributes: Attributes
  readonly extents: readonly ChunkLocation[]
}

export interface Change {
  readonly cursor: string
  readonly timeNs: bigint
  readonly kind: ChangeKind
  readonly volume: string
  readonly principal: string
  readonly inode: InodeId | undefined
  readonly parent: InodeId | undefined
  readonly type: FileType | undefined
  /** Where the entry is (after a rename: where it is now). */
  readonly path: Path
  /** Where it was before a rename. */
  readonly from: Path | undefined
  /** The directory in which it was before a rename. */
  readonly fromParent?: InodeId | undefined
  /** Of an eventual volume: the entity tag of what is there now. */
  readonly etag?: string
}

/** One volume, as every door sees it, whichever way it keeps its promises.
 *
 *  Every change is atomic and durable when its promise resolves: chunks first, then one metadata commit. A call that
 *  throws has changed nothing. Absent paths: `stat` and `openFile` answer `undefined`, changes throw NOT_FOUND.
 *
 *  Symbolic links, within the volume: what finds something that is there to look at its contents or change them follows them
 *  anywhere in a path (`list`, `locate`, `writeAt`, `truncate`, `punch`, `reserve`, `copyRange`, and with `follow` also `stat` and `openFile`).
 *  What makes, names or removes entries works in the directory that is named: a link on the way is NOT_A_DIRECTORY, so that
 *  nobody's link leads a change elsewhere, and the last name is the link itself. Only `writeFile` and uploads replace what a
 *  link as the last name leads to. POSIX clients resolve their own links.
 *
 *  Locks (`locks.ts`) bind those who say that they know them: a change with a `guard` is refused with LOCKED or
 *  PRECONDITION_FAILED, in the step in which it would take effect. A change without one passes every lock by. */
export interface Volume {
  readonly info: VolumeInfo
  /** Of an eventual volume. */
  readonly conflicts?: Conflicts
  /** Of a strong volume. */
  readonly fileLocks?: FileLocks
  /** Lets an eventual volume take in what further nodes have of a path: more than half of them, or all. @throws UNAVAILABLE if too few answer */
  consult?(path: Path, need: 'quorum' | 'all', signal?: AbortSignal): Promise<void>

  stat(path: Path, options?: { readonly follow?: boolean }): Promise<Attributes | undefined>
  list(path: Path, options?: ListOptions): Promise<Listing>
  /** @throws IS_A_DIRECTORY; NOT_PERMITTED for special files */
  openFile(path: Path, options?: { readonly follow?: boolean }): Promise<OpenFile | undefined>
  locate(path: Path): Promise<Locations | undefined>

  /** Replaces the whole contents of the file in one step, or creates it. Nothing of it is visible before, and nothing
   *  remains of it after a failure. A buffer is a body that is at hand, and may be kept. @throws IS_A_DIRECTORY, NOT_FOUND (a missing parent), QUOTA_EXCEEDED, NO_SPACE … */
  writeFile(path: Path, body: BodyStream | Buffer, options: WriteOptions): Promise<WriteResult>
  /** Writes `bytes` at `offset` into an existing file; a gap before becomes a hole. @throws PRECONDITION_FAILED */
  writeAt(path: Path, write: RangeWrite, caller: Caller): Promise<Attributes>
  /** @throws PRECONDITION_FAILED */
  truncate(path: Path, sizeBytes: number, caller: Caller, conditions?: Conditions): Promise<Attributes>
  /** Makes a range a hole, which reads as zeros and takes no room. The file stays as long as it is. */
  punch(path: Path, range: { readonly offset: number; readonly length: number }, caller: Caller): Promise<Attributes>
  /** Of a strong volume: counts a range as occupied. No room is held: writing there may still fail. */
  readonly reserve?: ((path: Path, range: ReservedRange, caller: Caller) => Promise<Attributes>) | undefined
  /** Copies a range between two files of this volume by reference, without moving bytes. Of a range of very many extents it
   *  copies what the source was when the copy began. */
  copyRange(copy: CopyRange, caller: Caller): Promise<Attributes>

  /** @throws ALREADY_EXISTS, unless `parents` is set and a directory is there */
  makeDirectory(
    path: Path,
    options: {
      readonly caller: Caller
      readonly parents?: boolean
      readonly mode?: number
      /** Of a directory that is made; the mode may be one of them. */
      readonly attributes?: AttributeChanges
      readonly guard?: WriteGuard
    },
  ): Promise<Attributes>
  /** `createParents` makes missing directories on the way. */
  makeSymlink(
    path: Path,
    target: Buffer,
    options: { readonly caller: Caller; readonly createParents?: boolean; readonly attributes?: AttributeChanges },
  ): Promise<Attributes>
  /** FIFOs, sockets and devices, and empty files. */
  makeNode(
    path: Path,
    node: { readonly type: FileType; readonly mode: number; readonly rdev?: number },
    caller: Caller,
  ): Promise<Attributes>
  readSymlink(path: Path): Promise<Buffer>
  /** Gives the file at `source` the further name `target`. */
  link(source: Path, target: Path, caller: Caller): Promise<Attributes>
  /** @returns the attributes of what was moved */
  rename(
    source: Path,
    target: Path,
    options: {
      readonly caller: Caller
      readonly mode?: RenameMode
      readonly createParents?: boolean
      /** Of what is at `target`. @throws PRECONDITION_FAILED */
      readonly conditions?: Conditions
      /** With it what moves loses its locks, and comes under those of what it replaces. */
      readonly guard?: WriteGuard
    },
  ): Promise<Attributes>
  /** Copies a file, or with `recursive` a tree, by reference. A tree is not copied in one step: entries appear one by one.
   *  `depth: 'self'` copies of a directory nothing but itself. */
  copy(
    source: Path,
    target: Path,
    options: {
      readonly caller: Caller
      readonly recursive?: boolean
      readonly createParents?: boolean
      readonly replace?: boolean
      readonly depth?: 'self'
      /** Extended attributes of what is replaced go, rather than stay beside those of the source. */
      readonly exact?: boolean
      readonly guard?: WriteGuard
    },
  ): Promise<Attributes>
  /** Removes a file or an empty directory; with `recursive` a tree, bottom up. @throws NOT_FOUND, DIRECTORY_NOT_EMPTY */
  remove(
    path: Path,
    options: {
      readonly caller: Caller
      readonly recursive?: boolean
      readonly conditions?: Conditions
      readonly guard?: WriteGuard
    },
  ): Promise<void>
  setAttributes(path: Path, changes: AttributeChanges, caller: Caller): Promise<Attributes>

  listXattrs(path: Path): Promise<readonly string[]>
  readXattr(path: Path, name: string): Promise<Buffer | undefined>
  writeXattr(
    path: Path,
    xattr: { readonly name: string; readonly value: Buffer; readonly mode?: 'create' | 'replace' },
    caller: Caller,
  ): Promise<void>
  removeXattr(path: Path, name: string, caller: Caller): Promise<void>

  beginUpload(
    path: Path,
    options: Pick<WriteOptions, 'caller' | 'conditions' | 'attributes' | 'createParents'>,
  ): Promise<UploadInfo>
  findUpload(id: UploadId): Promise<UploadInfo | undefined>
  listUploads(options?: {
    readonly cursor?: string
    readonly limit?: number
  }): Promise<{ readonly uploads: readonly UploadInfo[]; readonly next: string | undefined }>
  writePart(
    id: UploadId,
    part: {
      readonly number: number
      readonly body: BodyStream
      readonly expected?: ExpectedContent
      readonly signal?: AbortSignal
      /** For what it knows of the request: the part is the session's. */
      readonly caller?: Caller
    },
  ): Promise<UploadPart>
  /** Publishes the parts as the file in one step and ends the session. @throws UPLOAD_INCOMPLETE, DIGEST_MISMATCH, PRECONDITION_FAILED */
  commitUpload(
    id: UploadId,
    options: { readonly caller: Caller; readonly expected?: Pick<ExpectedContent, 'sizeBytes' | 'sha256'> },
  ): Promise<WriteResult>
  abortUpload(id: UploadId, caller?: Caller): Promise<void>
}

/** One of the versions that an eventual volume has of a path. */
export interface VersionInfo {
  /** Which write: its time and its node. */
  readonly id: string
  readonly timeNs: bigint
  readonly node: string
  /** `undefined`: it removed the path. */
  readonly attributes: Attributes | undefined
}

export interface ConflictInfo {
  readonly path: Path
  /** The winner first. */
  readonly versions: readonly VersionInfo[]
}

/** The versions of an eventual volume that lost against concurrent ones. */
export interface Conflicts {
  /** A page of the paths that have some, in order. */
  list(options: {
    readonly prefix?: string
    readonly cursor?: string
  }): Promise<{ readonly conflicts: readonly ConflictInfo[]; readonly next: string | undefined }>
  /** All versions of one path, removals too; none where there is nothing. */
  show(path: Path): Promise<readonly VersionInfo[]>
  /** Makes a version that lost the content of the path again. @throws NOT_FOUND, INVALID_ARGUMENT for what is no id */
  restore(path: Path, id: string): Promise<Attributes>
  /** Lets a version that lost go, on every node. @throws NOT_FOUND, INVALID_ARGUMENT */
  drop(path: Path, id: string): Promise<void>
}

export interface RangeWrite {
  readonly offset: number
  readonly bytes: Uint8Array
  readonly conditions?: Conditions
}

export interface CopyRange {
  readonly source: Path
  readonly sourceOffset: number
  readonly target: Path
  readonly targetOffset: number
  readonly length: number
}

/** What a volume can be made with. */
export interface VolumeSettings extends VolumePolicy {
  /** For an eventual volume: what becomes of a concurrent write that loses. */
  readonly onConflict: 'keep' | 'keep-both' | 'cas'
  /** For an eventual volume: `everywhere` lets each node end with every file. */
  readonly keep: 'class' | 'everywhere'
}

export interface KnownVolumes {
  readonly volumes: readonly VolumeInfo[]
  /** Volumes that another node has to be asked for, which can't be reached. */
  readonly missing?: 'strong'
}

/** The volumes of one tenant. Names: 3 to 63 characters of a-z, 0-9, "-" and ".", first and last a letter or digit
 *  (Amazon S3's rules for bucket names, since a volume is a bucket there). */
export interface Volumes {
  /** @throws VOLUME_EXISTS, INVALID_ARGUMENT */
  create(name: string, settings: Partial<VolumeSettings>, caller: Caller): Promise<VolumeInfo>
  list(): Promise<readonly VolumeInfo[]>
  /** Those that this node can tell of now; all of them unless it says what is missing. */
  listKnown?(): Promise<KnownVolumes>
  find(name: string): Promise<VolumeInfo | undefined>
  update(name: string, changes: Partial<VolumeSettings>, caller: Caller): Promise<VolumeInfo>
  /** Removes an empty volume; with `force` its contents too. @throws VOLUME_NOT_EMPTY, VOLUME_NOT_FOUND */
  remove(name: string, options: { readonly caller: Caller; readonly force?: boolean }): Promise<void>
  /** @throws VOLUME_NOT_FOUND */
  open(name: string): Promise<Volume>
  /** Changes after `cursor` (from now on without one), of one volume or all, as they happen, until `signal` aborts. With
   *  `follow: false` it ends when it has caught up. Those of an eventual volume are asked for by its name: `write` says that something is new
   *  or other at a path, `remove` that nothing is there any more, and cursors are those of one life of one node. @throws CURSOR_TOO_OLD: read everything anew, then follow from a fresh cursor */
  changes(options: FollowOptions): AsyncIterableIterator<Change>
  /** The same, which answers questions: each behind all that had been acknowledged when it was asked. @throws UNSUPPORTED for an eventual volume */
  askedChanges(options: AskedOptions): AsyncIterableIterator<Change | Heard>
  /** A cursor behind the newest change, of one volume or all. */
  currentCursor(volume?: string): Promise<string>
}
