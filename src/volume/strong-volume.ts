import type { ChunkStore } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { UploadId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { TransactOptions } from '#kv/store.ts'
import type { Attributes, FileType } from '#metadata/attributes.ts'
import { readInline, storeContents } from '#metadata/contents.ts'
import { createEntry, linkEntry, type NewInode, removeEntry, renameEntry } from '#metadata/entries.ts'
import {
  type AttributeChanges,
  changeAttributes,
  checkConditions,
  type Conditions,
  ensureDirectory,
  parentFor,
  reportChange,
} from '#metadata/files.ts'
import { findEntry, type Located, reload } from '#metadata/inodes.ts'
import { checkGuard, type Effect, withoutConditions, type WriteGuard } from '#metadata/lock-guard.ts'
import { moveLocks } from '#metadata/lock-requests.ts'
import { listDirectory } from '#metadata/listing.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import { resolveDirectory, resolveExisting, resolveParent, resolvePath } from '#metadata/resolve.ts'
import type { VolumeTransaction } from '#metadata/transaction.ts'
import type { InodeRecord } from '#metadata/record.ts'
import { once, type ResultCodec } from '#metadata/remembered.ts'
import { NOTHING_RESULT, RECORD_RESULT } from '#metadata/result-codecs.ts'
import { listXattrs, readXattr, removeXattr, writeXattr, type XattrWrite } from '#metadata/xattrs.ts'
import type { Clock } from '#platform/clock.ts'
import type { Bucket, BucketSettings } from './bucket-settings.ts'
import { checkAttributes } from './check-attributes.ts'
import type { ContentKeys } from './content-cipher.ts'
import { captureFile, locked, type ReaderStores } from './content-reader.ts'
import { type FileLocks, type FileLockStores, StrongFileLocks } from './file-locks.ts'
import { FileWrites, type WriteStores } from './file-writes.ts'
import { locateContents } from './locations.ts'
import { type GuardedVolume, type Locks, StrongLocks } from './locks.ts'
import type { ReadBuffers } from './read-buffers.ts'
import type { Objects } from './objects.ts'
import { openContents } from './open-contents.ts'
import { RangeWrites } from './range-writes.ts'
import { recallEarly } from './recall-early.ts'
import { StrongObjects } from './strong-objects.ts'
import { copyTree, removeTree } from './trees.ts'
import { UploadSessions } from './upload-sessions.ts'
import type * as port from './volume.ts'

/** POSIX' limit for a symbolic link's target, PATH_MAX without its NUL. */
const MAX_TARGET_BYTES = 4095
const LIST_LIMIT_DEFAULT = 1_000
const LIST_LIMIT_MAX = 10_000

export interface StrongVolumeStores extends WriteStores, FileLockStores {
  readonly chunks: ChunkStore
  readonly readBuffers: ReadBuffers
  readonly contentKeys?: ContentKeys | undefined
  readonly metadata: Metadata
  readonly clock: Clock
  readonly nodeId: string
  readonly settle?: ReaderStores['settle']
  readonly copiesTables?: ReaderStores['copiesTables']
}

/** A volume over the strong namespace and the chunk store. */
export class StrongVolume implements GuardedVolume, Bucket {
  readonly info: VolumeInfo
  readonly settings: BucketSettings
  readonly locks: Locks
  readonly fileLocks: FileLocks
  /** The same volume as a bucket. */
  readonly objects: Objects
  readonly #stores: StrongVolumeStores
  readonly #volume: VolumeHandle
  readonly #writes: FileWrites
  readonly #ranges: RangeWrites
  readonly #uploads: UploadSessions

  constructor(stores: StrongVolumeStores, { info, settings }: Omit<Bucket, 'objects'>) {
    this.info = info
    this.settings = settings
    this.#stores = stores
    this.#volume = info
    this.#writes = new FileWrites(stores, info, info.policy)
    this.#ranges = new RangeWrites(stores, info, this.#writes)
    this.#uploads = new UploadSessions(stores, info, this.#writes)
    this.locks = new StrongLocks(stores, info)
    this.fileLocks = new StrongFileLocks(stores, info)
    this.objects = new StrongObjects(stores, info)
  }

  stat(path: Path, options: { follow?: boolean } = {}): Promise<Attributes | undefined> {
    return this.#stores.metadata.read(this.#volume, (view) => resolvePath(view, path, options)?.record)
  }

  async list(path: Path, options: port.ListOptions = {}): Promise<port.Listing> {
    const { cursor, limit = LIST_LIMIT_DEFAULT, recursive = false, xattr } = options
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) {
      throw new ShoalError('INVALID_ARGUMENT', `"limit" can't be ${limit}: 1 to ${LIST_LIMIT_MAX} is allowed`, {
        details: { field: 'limit' },
      })
    }
    return this.#stores.metadata.read(this.#volume, (view) => {
      const directory = resolveDirectory(view, path, { follow: true })
      const page = listDirectory(view, directory.record.inode, { limit, recursive, ...(cursor === undefined ? {} : { cursor }) })
      const entries = page.entries.map(({ path: below, record }) => {
        const value = xattr !== undefined && record.hasXattrs ? readXattr(view, record.inode, xattr) : undefined
        return { path: below, attributes: record, ...(value === undefined ? {} : { xattr: value }) }
      })
      return { entries, next: page.next }
    })
  }

  async openFile(path: Path, options: { follow?: boolean } = {}): Promise<port.OpenFile | undefined> {
    const file = await openContents(this.#stores, this.#volume, (view) => captureFile(view, path, options))
    if (file?.isLocked !== true) return file
    file.close()
    throw locked()
  }

  locate(path: Path): Promise<port.Locations | undefined> {
    return locateContents(this.#stores, this.#volume, path)
  }

  writeFile(path: Path, body: port.BodyStream | Buffer, options: port.WriteOptions): Promise<port.WriteResult> {
    return this.#writes.writeFile(path, body, options)
  }

  async writeAt(path: Path, write: port.RangeWrite, caller: port.Caller): Promise<Attributes> {
    return (await this.#ranges.writeAt(path, write, caller)).record
  }

  async truncate(path: Path, sizeBytes: number, caller: port.Caller, conditions?: Conditions): Promise<Attributes> {
    return (await this.#ranges.truncate(path, { sizeBytes, conditions }, caller)).record
  }

  async reserve(path: Path, range: port.ReservedRange, caller: port.Caller): Promise<Attributes> {
    return (await this.#ranges.reserve(path, range, caller)).record
  }

  async punch(path: Path, range: { offset: number; length: number }, caller: port.Caller): Promise<Attributes> {
    return (await this.#ranges.punch(path, range, caller)).record
  }

  async copyRange(copy: port.CopyRange, caller: port.Caller): Promise<Attributes> {
    return (await this.#ranges.copyRange(copy, caller)).record
  }

  async makeDirectory(path: Path, options: Parameters<port.Volume['makeDirectory']>[1]): Promise<Attributes> {
    const { caller, parents = false, mode = 0o755, attributes = {} } = options
    checkAttributes({ mode, ...attributes })
    return this.#change(caller, (t) => {
      check(t, options, [{ kind: 'write', path }])
      const existing = parents ? resolveExistingDirectory(t, path) : undefined
      if (existing !== undefined) return existing.record
      const { parent, name } = path.length === 0 ? { parent: resolveDirectory(t, path), name: '' } : parentFor(t, path, parents)
      if (name === '') throw new ShoalError('ALREADY_EXISTS', 'The root directory exists already')
      return createEntry(t, parent, { name, inode: { type: 'directory', mode, ...attributes } }).record
    })
  }

  async makeSymlink(path: Path, target: Buffer, options: Parameters<port.Volume['makeSymlink']>[2]): Promise<Attributes> {
    checkAttributes(options.attributes ?? {})
    if (target.length === 0 || target.length > MAX_TARGET_BYTES || target.includes(0)) {
      throw new ShoalError('INVALID_ARGUMENT', `The target of a symbolic link has 1 to ${MAX_TARGET_BYTES} bytes and no NUL`)
    }
    return this.#create(path, options, (t) => ({
      type: 'symlink',
      ...options.attributes,
      mode: 0o777,
      contents: storeContents(t, { kind: 'inline', bytes: target }),
    }))
  }

  async makeNode(path: Path, node: { type: FileType; mode: number; rdev?: number }, caller: port.Caller): Promise<Attributes> {
    if (node.type === 'directory' || node.type === 'symlink')
      throw new ShoalError('INVALID_ARGUMENT', `A ${node.type} is made by an operation of its own`)
    const isDevice = node.type === 'character-device' || node.type === 'block-device'
    const rdev = isDevice ? (node.rdev ?? 0) : 0
    checkAttributes({ mode: node.mode, rdev })
    return this.#create(path, { caller }, () => ({ type: node.type, mode: node.mode, rdev }))
  }

  #create(
    path: Path,
    options: { caller: port.Caller; createParents?: boolean },
    inode: (t: VolumeTransaction) => NewInode,
  ): Promise<Attributes> {
    return this.#change(options.caller, (t) => {
      const { parent, name } = parentFor(t, path, options.createParents === true)
      return createEntry(t, parent, { name, inode: inode(t) }).record
    })
  }

  readSymlink(path: Path): Promise<Buffer> {
    return this.#stores.metadata.read(this.#volume, (view) => {
      const { record } = resolveExisting(view, path)
      if (record.type !== 'symlink') throw new ShoalError('INVALID_ARGUMENT', `"/${formatPath(path)}" is not a symbolic link`)
      return readInline(view, record)
    })
  }

  link(source: Path, target: Path, caller: port.Caller): Promise<Attributes> {
    return this.#change(
      caller,
      (t) => linkEntry(t, resolveExisting(t, source, { prefer: 'file' }), resolveParent(t, target)).record,
    )
  }

  rename(source: Path, target: Path, options: Parameters<port.Volume['rename']>[2]): Promise<Attributes> {
    const { caller, mode = 'replace', createParents = false, conditions, guard } = options
    return this.#change(caller, (t) => {
      check(t, options, [
        { kind: 'remove', path: source },
        { kind: 'replace', path: target },
      ])
      const from = resolveParent(t, source)
      const located = resolveExisting(t, source)
      const to = parentFor(t, target, createParents)
      const there = findEither(t, to.parent, to.name)
      checkConditions(conditions, there?.record)
      if (guard !== undefined) moveLocks(t, located, there)
      renameEntry(t, { ...from, located: reload(t, located) }, { ...to, located: there, mode })
      return (findEither(t, to.parent, to.name) ?? located).record
    })
  }

  async copy(source: Path, target: Path, options: Parameters<port.Volume['copy']>[2]): Promise<Attributes> {
    return (await copyTree({ ...this.#stores, volume: this.#volume }, { source, target }, options)).record
  }

  async remove(path: Path, options: Parameters<port.Volume['remove']>[1]): Promise<void> {
    const { caller, recursive = false, conditions, guard } = options
    if (caller.request && (await recallEarly(this.#stores.metadata, caller, NOTHING_RESULT)) !== undefined) return
    let isStarted = false
    if (recursive) {
      const isDirectory = await this.#stores.metadata.read(this.#volume, (view) => {
        const located = resolveExisting(view, path)
        checkConditions(conditions, located.record)
        return located.record.type === 'directory'
      })
      if (isDirectory) await removeTree({ metadata: this.#stores.metadata, volume: this.#volume }, path, options)
      isStarted = isDirectory
      if (path.length === 0) return
    }
    await this.#changeSilently(
      caller,
      (t) => {
        if (guard !== undefined)
          check(t, { caller, guard: isStarted ? withoutConditions(guard) : guard }, [{ kind: 'remove', path }])
        const { parent, name } = resolveParent(t, path)
        const target = resolveExisting(t, path)
        checkConditions(conditions, target.record)
        removeEntry(t, parent, { name, target })
      },
      { frees: true },
    )
  }

  async setAttributes(path: Path, changes: AttributeChanges, caller: port.Caller): Promise<Attributes> {
    checkAttributes(changes)
    return this.#change(caller, (t) => changeAttributes(t, resolveExisting(t, path), changes).record)
  }

  listXattrs(path: Path): Promise<readonly string[]> {
    return this.#stores.metadata.read(this.#volume, (view) =>
      listXattrs(view, resolveExisting(view, path).record.inode).map(({ name }) => name),
    )
  }

  readXattr(path: Path, name: string): Promise<Buffer | undefined> {
    return this.#stores.metadata.read(this.#volume, (view) => readXattr(view, resolveExisting(view, path).record.inode, name))
  }

  writeXattr(path: Path, xattr: XattrWrite, caller: port.Caller): Promise<void> {
    return this.#changeSilently(caller, (t) => {
      const located = resolveExisting(t, path)
      writeXattr(t, located, xattr)
      reportChange(t, located, 'attributes')
    })
  }

  updateXattr(
    path: Path,
    name: string,
    { caller, guard, update }: Parameters<GuardedVolume['updateXattr']>[2],
  ): Promise<Attributes> {
    return this.#change(caller, (t) => {
      if (guard !== undefined) check(t, { caller, guard }, [{ kind: 'write', path }])
      const located = resolveExisting(t, path)
      const before = readXattr(t, located.record.inode, name)
      const { value, attributes = {} } = update(before, located.record)
      checkAttributes(attributes)
      if (value !== undefined) writeXattr(t, located, { name, value })
      else if (before !== undefined) removeXattr(t, located, name)
      return changeAttributes(t, reload(t, located), attributes).record
    })
  }

  removeXattr(path: Path, name: string, caller: port.Caller): Promise<void> {
    return this.#changeSilently(
      caller,
      (t) => {
        const located = resolveExisting(t, path)
        removeXattr(t, located, name)
        reportChange(t, located, 'attributes')
      },
      { frees: true },
    )
  }

  beginUpload(
    path: Path,
    options: Pick<port.WriteOptions, 'caller' | 'conditions' | 'attributes' | 'createParents'>,
  ): Promise<port.UploadInfo> {
    return this.#uploads.begin(path, options)
  }

  findUpload(id: UploadId): Promise<port.UploadInfo | undefined> {
    return this.#uploads.find(id)
  }

  listUploads(
    options: { cursor?: string; limit?: number } = {},
  ): Promise<{ uploads: readonly port.UploadInfo[]; next: string | undefined }> {
    return this.#uploads.list(options)
  }

  writePart(id: UploadId, part: Parameters<port.Volume['writePart']>[1]): Promise<port.UploadPart> {
    return this.#uploads.writePart(id, part)
  }

  commitUpload(id: UploadId, options: Parameters<port.Volume['commitUpload']>[1]): Promise<port.WriteResult> {
    return this.#uploads.commit(id, options)
  }

  abortUpload(id: UploadId, caller?: port.Caller): Promise<void> {
    return this.#uploads.abort(id, caller)
  }

  #change(caller: port.Caller, fn: (t: VolumeTransaction) => InodeRecord): Promise<InodeRecord> {
    return this.#once(caller, RECORD_RESULT, fn)
  }

  #changeSilently(caller: port.Caller, fn: (t: VolumeTransaction) => void, options?: TransactOptions): Promise<void> {
    return this.#once(caller, NOTHING_RESULT, fn, options)
  }

  #once<T>(
    { principal, request }: port.Caller,
    codec: ResultCodec<T>,
    fn: (t: VolumeTransaction) => T,
    options?: TransactOptions,
  ): Promise<T> {
    return this.#stores.metadata.transact(this.#volume, principal, (t) => once(t.tx, request, codec, () => fn(t)), options)
  }
}

function check(
  t: VolumeTransaction,
  { caller, guard }: { readonly caller: port.Caller; readonly guard?: WriteGuard },
  effects: readonly Effect[],
): void {
  if (guard !== undefined) checkGuard(t, { guard, principal: caller.principal, nowMs: t.nowMs }, effects)
}

function findEither(t: VolumeTransaction, parent: Located, name: string): Located | undefined {
  return (
    findEntry(t, parent.record.inode, { name, form: 'directory' }) ?? findEntry(t, parent.record.inode, { name, form: 'file' })
  )
}

function resolveExistingDirectory(t: VolumeTransaction, path: Path): Located | undefined {
  const located = path.length === 0 ? ensureDirectory(t, path) : resolveQuietly(t, path)
  return located?.record.type === 'directory' ? located : undefined
}

/** Missing directories on the way are made later; anything else on the way is an error there. */
function resolveQuietly(t: VolumeTransaction, path: Path): Located | undefined {
  let at = ensureDirectory(t, [])
  for (const name of path) {
    const next = findEntry(t, at.record.inode, { name, form: 'directory' })
    if (next === undefined) return undefined
    at = next
  }
  return at
}
