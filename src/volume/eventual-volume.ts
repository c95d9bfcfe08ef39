import type { Dot, EntryValue } from '#eventual/entry.ts'
import type { ShownEntry } from '#eventual/listing.ts'
import type { EventualNamespace, ChangeOptions } from '#eventual/namespace.ts'
import { pathBytes, type Place } from '#eventual/keys.ts'
import type { EventualVolumeInfo } from '#eventual/volumes.ts'
import { ShoalError } from '#foundation/errors.ts'
import { keyOfPath } from '#foundation/object-key.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { Attributes, FileType } from '#metadata/attributes.ts'
import { type AttributeChanges, checkConditions, type Conditions, DEFAULT_DIRECTORY_MODE } from '#metadata/files.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import { notADirectory } from '#metadata/resolve.ts'
import { checkAttributes } from './check-attributes.ts'
import { attributesOf, baseOf, directoryKey, impliedDirectory, knownBy, NO_CONTENT, valueChanges } from './eventual-attributes.ts'
import { EventualConflicts } from './eventual-conflicts.ts'
import type { EventualContentStores, EventualContents, StoredContent } from './eventual-contents.ts'
import { alreadyThere, isADirectory, notFound, unsupported, rootStays } from './eventual-faults.ts'
import { EventualFile } from './eventual-file.ts'
import { listDirectory } from './eventual-listing.ts'
import { checkTarget, linkTarget } from './eventual-links.ts'
import { withoutObjectDigests } from './eventual-object-info.ts'
import type { EventualUploadParts } from './eventual-object-uploads.ts'
import { piece } from './eventual-pieces.ts'
import { type NewRange, type StoredFile, storeLength, storeRange, zerosWithin } from './eventual-ranges.ts'
import { copyEventualTree } from './eventual-trees.ts'
import { EventualUploads, type PublishOptions, type StoredParts } from './eventual-uploads.ts'
import { withoutXattr, withXattr, XATTR_PREFIX, xattrNames } from './eventual-xattrs.ts'
import type * as port from './volume.ts'

/** Linux' limit for symbolic links on one path (path_resolution(7)). */
const LINKS_MAX = 40

export interface EventualVolumeStores extends EventualContentStores {
  /** Lets this node take in what others have of a place. */
  readonly consult: (place: Place, need: 'quorum' | 'all', signal?: AbortSignal) => Promise<void>
}

/** A volume over the entries that this node has, without asking anybody: docs/eventual.md has the rules. Conditions are judged by what is
 *  known here, in the step that makes the change. There are no hard links and special files (UNSUPPORTED).
 *  A directory is there as long as anything is in it, or if it was made as such; files may stand where a directory of that name is made
 *  elsewhere at the same time, and then both are listed. */
export class EventualVolume extends EventualUploads implements port.Volume {
  readonly info: VolumeInfo
  readonly conflicts: port.Conflicts
  readonly #namespace: EventualNamespace
  readonly #stores: EventualVolumeStores
  readonly #contents: EventualContents
  readonly #createdNs: bigint

  constructor(
    stores: EventualVolumeStores,
    parts: {
      readonly info: VolumeInfo
      readonly definition: EventualVolumeInfo
      readonly namespace: EventualNamespace
      readonly uploads: EventualUploadParts
    },
  ) {
    super(parts.uploads, parts.namespace.volume)
    this.info = parts.info
    this.#namespace = parts.namespace
    this.conflicts = new EventualConflicts(parts.namespace)
    this.#stores = stores
    this.#contents = parts.uploads.contents
    this.#createdNs = parts.definition.createdNs
  }

  consult(path: Path, need: 'quorum' | 'all', signal?: AbortSignal): Promise<void> {
    return this.#stores.consult({ volume: this.#namespace.volume, path: pathBytes(keyOfPath(path)) }, need, signal)
  }

  async stat(path: Path, { follow = false }: { follow?: boolean } = {}): Promise<Attributes | undefined> {
    const directory = await this.#directory(path)
    if (directory !== undefined) return directory
    const found = follow ? await this.#follow(path) : await this.#file(path)
    return found === undefined ? undefined : this.#attributes(found)
  }

  async list(path: Path, options: port.ListOptions = {}): Promise<port.Listing> {
    if ((await this.#directory(path)) === undefined)
      throw (await this.#file(path)) === undefined ? notFound(path) : notADirectory(path)
    return listDirectory({ namespace: this.#namespace, key: directoryKey(path), createdNs: this.#createdNs }, options)
  }

  async openFile(path: Path, { follow = false }: { follow?: boolean } = {}): Promise<port.OpenFile | undefined> {
    const found = follow ? await this.#follow(path) : await this.#file(path)
    if (found === undefined) {
      if ((await this.#directory(path)) !== undefined) throw isADirectory(path)
      return undefined
    }
    if (found.value.type !== 'file')
      throw new ShoalError('NOT_PERMITTED', `"/${formatPath(path)}" is a ${found.value.type} and has no contents to read`)
    return this.#open(found)
  }

  async locate(path: Path): Promise<port.Locations | undefined> {
    const found = await this.#follow(path)
    return found && { attributes: this.#attributes(found), extents: await this.#contents.locate(found.value) }
  }

  async writeFile(path: Path, body: port.BodyStream | Buffer, options: port.WriteOptions): Promise<port.WriteResult> {
    await this.#checkFree(path, options)
    return this.#contents.store(body, options, ({ md5: _, ...written }) =>
      this.#put(path, options, (before) => ({ ...this.#fileValue(before), ...written, ...valueChanges(options.attributes) })),
    )
  }

  protected async publishParts(
    path: Path,
    { extents, ...stored }: StoredParts,
    options: PublishOptions,
  ): Promise<port.WriteResult> {
    await this.#checkFree(path, options)
    return this.#contents.joined(extents, (content) =>
      this.#put(path, options, (before) => ({
        ...this.#fileValue(before),
        ...stored,
        content,
        ...valueChanges(options.attributes),
      })),
    )
  }

  async writeAt(path: Path, { offset, bytes, conditions }: port.RangeWrite): Promise<Attributes> {
    return this.#writeRange(path, conditions, () => ({ offset, length: bytes.length, bytes: [bytes] }))
  }

  async truncate(path: Path, sizeBytes: number, _: port.Caller, conditions?: Conditions): Promise<Attributes> {
    return this.#rewrite(path, conditions, (before, publish) => storeLength(this.#contents, { ...before, sizeBytes }, publish))
  }

  /** The zeros are written: entries of eventual volumes have no holes. */
  async punch(path: Path, range: { offset: number; length: number }): Promise<Attributes> {
    return this.#writeRange(path, undefined, (size) => zerosWithin(range, size))
  }

  async copyRange(copy: port.CopyRange): Promise<Attributes> {
    const source = await this.openFile(copy.source, { follow: true })
    if (source === undefined) throw notFound(copy.source)
    const { sourceOffset, targetOffset: offset } = copy
    const length = Math.max(0, Math.min(copy.length, source.attributes.sizeBytes - sourceOffset))
    const bytes = piece(source, { offset: sourceOffset, length })
    return this.#writeRange(copy.target, undefined, () => ({ offset, length, bytes }))
  }

  async makeDirectory(path: Path, options: Parameters<port.Volume['makeDirectory']>[1]): Promise<Attributes> {
    const there = await this.#directory(path)
    if (there !== undefined) {
      if (options.parents === true || path.length === 0) return there
      throw new ShoalError('ALREADY_EXISTS', `There is a directory "/${formatPath(path)}" already`)
    }
    if ((await this.#file(path)) !== undefined) throw new ShoalError('ALREADY_EXISTS', `"/${formatPath(path)}" is no directory`)
    await this.#checkAbove(path, options.parents === true)
    const attributes = { mode: options.mode ?? DEFAULT_DIRECTORY_MODE, uid: 0, gid: 0, mtimeNs: this.#nowNs() }
    await this.#namespace.makeDirectory(directoryKey(path), { ...attributes, ...valueChanges(options.attributes) })
    return this.#existing(path)
  }

  async makeSymlink(path: Path, target: Buffer, options: Parameters<port.Volume['makeSymlink']>[2]): Promise<Attributes> {
    checkTarget(target)
    const content = { kind: 'inline', bytes: target } as const
    return this.#make(path, { type: 'symlink', mode: 0o777, sizeBytes: target.length, content }, options.createParents === true)
  }

  async makeNode(path: Path, node: { type: FileType; mode: number; rdev?: number }): Promise<Attributes> {
    if (node.type !== 'file') throw unsupported(`"/${formatPath(path)}" can't be a ${node.type}`)
    return this.#make(path, { type: 'file', mode: node.mode, sizeBytes: 0, content: NO_CONTENT }, false)
  }

  async readSymlink(path: Path): Promise<Buffer> {
    const found = await this.#file(path)
    if (found === undefined) throw notFound(path)
    if (found.value.type !== 'symlink' || found.value.content.kind !== 'inline')
      throw new ShoalError('INVALID_ARGUMENT', `"/${formatPath(path)}" is no symbolic link`)
    return found.value.content.bytes
  }

  async link(_source: Path, target: Path): Promise<Attributes> {
    throw unsupported(`"/${formatPath(target)}" can't be a second name of a file`)
  }

  async rename(source: Path, target: Path, options: Parameters<port.Volume['rename']>[2]): Promise<Attributes> {
    const { mode = 'replace', createParents = false } = options
    if (mode === 'exchange') throw unsupported("Two entries can't change places in one step")
    if (source.length === 0 || target.length === 0) throw rootStays()
    await this.#checkAbove(target, createParents)
    if (options.conditions !== undefined) checkConditions(options.conditions, await this.stat(target))
    const [isFile, into] = [await this.#fileShown(source), await this.#directory(target)]
    if (isFile === undefined)
      await this.#renameDirectory(source, target, into !== undefined || (await this.#file(target)) !== undefined)
    else if (into !== undefined) throw mode === 'replace' ? isADirectory(target) : alreadyThere(target)
    else await this.#namespace.rename(keyOfPath(source), keyOfPath(target), { replace: mode === 'replace' })
    return this.#existing(target)
  }

  async copy(source: Path, target: Path, options: Parameters<port.Volume['copy']>[2]): Promise<Attributes> {
    await this.#checkAbove(target, options.createParents === true)
    await copyEventualTree({ volume: this, namespace: this.#namespace, nowNs: this.#nowNs() }, { source, target }, options)
    return this.#existing(target)
  }

  async remove(path: Path, options: Parameters<port.Volume['remove']>[1]): Promise<void> {
    const { conditions, recursive = false } = options
    const file = await this.#fileShown(path)
    if (file !== undefined) {
      const base = this.#baseFor(conditions, file)
      if (await this.#namespace.remove(keyOfPath(path), base)) return
      throw notFound(path)
    }
    const directory = await this.#directory(path)
    checkConditions(conditions, directory)
    if (directory === undefined) throw notFound(path)
    const prefix = directoryKey(path)
    if (recursive) return void (await (prefix === '' ? this.#namespace.removeAll() : this.#namespace.removeTree(prefix)))
    if (path.length === 0) throw rootStays()
    if ((await this.list(path, { limit: 1 })).entries.length > 0)
      throw new ShoalError('DIRECTORY_NOT_EMPTY', `"/${formatPath(path)}" is not empty`)
    await this.#namespace.remove(prefix)
  }

  async setAttributes(path: Path, changes: AttributeChanges): Promise<Attributes> {
    checkAttributes(changes)
    await this.#changeValue(path, () => valueChanges(changes))
    return this.#existing(path)
  }

  async listXattrs(path: Path): Promise<readonly string[]> {
    return xattrNames(await this.#tags(path))
  }

  async readXattr(path: Path, name: string): Promise<Buffer | undefined> {
    return (await this.#tags(path)).get(XATTR_PREFIX + name)
  }

  writeXattr(path: Path, xattr: { name: string; value: Buffer; mode?: 'create' | 'replace' }): Promise<void> {
    return this.#changeValue(path, ({ tags }) => ({ tags: withXattr(tags, xattr) }))
  }

  removeXattr(path: Path, name: string): Promise<void> {
    return this.#changeValue(path, ({ tags }) => ({ tags: withoutXattr(tags, name) }))
  }

  async #file(path: Path): Promise<ShownEntry | undefined> {
    return path.length === 0 ? undefined : this.#namespace.stat(keyOfPath(path))
  }

  /** Where a directory has the same name, that one has it. */
  async #fileShown(path: Path): Promise<ShownEntry | undefined> {
    return (await this.#directory(path)) === undefined ? this.#file(path) : undefined
  }

  /** With its entry, or because something is in it. */
  async #directory(path: Path): Promise<Attributes | undefined> {
    const key = directoryKey(path)
    if (key === '') return impliedDirectory(this.#namespace.volume, key, this.#createdNs)
    const made = await this.#namespace.stat(key)
    if (made !== undefined) return this.#attributes(made)
    const { items } = await this.#namespace.list({ prefix: key, limit: 1 })
    return items.length === 0 ? undefined : impliedDirectory(this.#namespace.volume, key, this.#createdNs)
  }

  /** The last name may be a link, to a link even. @throws TOO_MANY_SYMLINKS */
  async #follow(path: Path): Promise<ShownEntry | undefined> {
    let at = path
    for (let links = 0; links <= LINKS_MAX; links += 1) {
      const found = await this.#file(at)
      if (found?.value.type !== 'symlink' || found.value.content.kind !== 'inline') return found
      const target = linkTarget(at, found.value.content.bytes.toString('utf8'))
      if (target === undefined) return undefined
      at = target
    }
    throw new ShoalError('TOO_MANY_SYMLINKS', `"/${formatPath(path)}" leads over more than ${LINKS_MAX} symbolic links`)
  }

  async #existing(path: Path): Promise<Attributes> {
    const attributes = await this.stat(path)
    if (attributes === undefined) throw notFound(path)
    return attributes
  }

  async #tags(path: Path): Promise<EntryValue['tags']> {
    const found = (await this.#fileShown(path)) ?? (await this.#namespace.stat(directoryKey(path) || '/'))
    if (found === undefined && (await this.#directory(path)) === undefined) throw notFound(path)
    return found?.value.tags ?? new Map()
  }

  #attributes(entry: Pick<ShownEntry, 'path' | 'version' | 'value'>): Attributes {
    return attributesOf(this.#namespace.volume, entry)
  }

  #open(entry: ShownEntry): EventualFile {
    return new EventualFile(this.#stores.chunks, this.#attributes(entry), entry.value.content)
  }

  /** @throws IS_A_DIRECTORY, NOT_FOUND, NOT_A_DIRECTORY */
  async #checkFree(path: Path, { createParents = false }: { createParents?: boolean }): Promise<void> {
    if ((await this.#directory(path)) !== undefined) throw isADirectory(path)
    await this.#checkAbove(path, createParents)
  }

  async #checkAbove(path: Path, createParents: boolean): Promise<void> {
    const above = path.slice(0, -1)
    if (createParents || (await this.#directory(above)) !== undefined) return
    throw (await this.#file(above)) === undefined ? notFound(above) : notADirectory(above)
  }

  #baseFor(conditions: Conditions | undefined, before: ShownEntry | undefined): ChangeOptions {
    if (conditions === undefined) return {}
    checkConditions(conditions, before === undefined ? undefined : this.#attributes(before))
    return { base: baseOf(before) }
  }

  #fileValue(before: ShownEntry | undefined): EntryValue {
    const nowNs = this.#nowNs()
    const kept = before?.value.type === 'file' ? before.value : undefined
    const made = {
      type: 'file',
      sizeBytes: 0,
      sha256: undefined,
      mode: 0o644,
      uid: 0,
      gid: 0,
      btimeNs: nowNs,
      tags: new Map(),
    } as const
    const tags = withoutObjectDigests(kept?.tags ?? made.tags)
    return { ...made, content: NO_CONTENT, ...kept, tags, mtimeNs: nowNs }
  }

  async #put(
    path: Path,
    { conditions, base, along }: Pick<port.WriteOptions, 'conditions' | 'base'> & Partial<Pick<PublishOptions, 'along'>>,
    valueOf: (before: ShownEntry | undefined) => EntryValue,
  ): Promise<port.WriteResult> {
    const before = await this.#file(path)
    const value = valueOf(before)
    const over = { ...this.#baseFor(conditions, before), isKnown: knownBy(base), along }
    const { version, created } = await this.#namespace.put(keyOfPath(path), value, over)
    return { attributes: this.#attributes({ path: keyOfPath(path), version, value }), created }
  }

  async #make(
    path: Path,
    what: Pick<EntryValue, 'type' | 'mode' | 'sizeBytes' | 'content'>,
    createParents: boolean,
  ): Promise<Attributes> {
    await this.#checkFree(path, { createParents })
    if ((await this.#file(path)) !== undefined) throw alreadyThere(path)
    const value = { ...this.#fileValue(undefined), ...what }
    const { version } = await this.#namespace.put(keyOfPath(path), value, { base: 'absent' })
    return this.#attributes({ path: keyOfPath(path), version, value })
  }

  #writeRange(path: Path, conditions: Conditions | undefined, rangeIn: (size: number) => NewRange): Promise<Attributes> {
    return this.#rewrite(path, conditions, (before, publish) =>
      storeRange(this.#contents, { ...before, range: rangeIn(before.file.attributes.sizeBytes) }, publish),
    )
  }

  /** Another content, over the version that was read. */
  async #rewrite(
    path: Path,
    conditions: Conditions | undefined,
    store: (before: StoredFile, publish: (stored: StoredContent) => Promise<Attributes>) => Promise<Attributes>,
  ): Promise<Attributes> {
    const before = await this.#follow(path)
    if (before === undefined) throw (await this.#directory(path)) === undefined ? notFound(path) : isADirectory(path)
    const file = this.#open(before)
    checkConditions(conditions, file.attributes)
    return store({ file, content: before.value.content }, async ({ md5: _, ...written }) => {
      const value = { ...this.#fileValue(before), ...written }
      const { version } = await this.#namespace.put(before.path, value, { base: baseOf(before) })
      return this.#attributes({ path: before.path, version, value })
    })
  }

  async #renameDirectory(source: Path, target: Path, isTaken: boolean): Promise<void> {
    if ((await this.#directory(source)) === undefined) throw notFound(source)
    if (isTaken) throw alreadyThere(target)
    await this.#namespace.renameTree(directoryKey(source), directoryKey(target))
  }

  /** A directory that is only implied gets an entry of its own. */
  async #changeValue(path: Path, change: (value: EntryValue) => Partial<EntryValue>): Promise<void> {
    const file = await this.#fileShown(path)
    const key = file === undefined ? directoryKey(path) : keyOfPath(path)
    if (key === '') throw new ShoalError('NOT_PERMITTED', 'The root directory of an eventual volume has no attributes to change')
    if (file === undefined && (await this.#namespace.stat(key)) === undefined) {
      const { mode, uid, gid, mtimeNs } = await this.#existing(path)
      await this.#namespace.makeDirectory(key, { mode, uid, gid, mtimeNs })
    }
    const before = file ?? (await this.#namespace.stat(key))
    if (before === undefined) throw notFound(path)
    await this.#namespace.setAttributes(key, change(before.value), { base: baseOf(before) as Dot })
  }

  #nowNs(): bigint {
    return this.#stores.clock.nowNs()
  }
}
