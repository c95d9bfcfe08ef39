import type { ShoalClient } from '#client/shoal-client.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import type { WritesBack } from '#gateway/fuse/writes-back.ts'
import type { KeptOpen, MountableVolume } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { Clock } from '#platform/clock.ts'
import { HIDDEN_PREFIX } from '#volume/hidden-names.ts'
import type { AttributeChanges, Entry, Listing, ListOptions, Locations, OpenFile, Volume } from '#volume/volume.ts'
import { type Drafts, Kept } from './drafts.ts'
import type { OwnVersions } from './own-versions.ts'
import type { PathNumbers } from './path-numbers.ts'
import { attributesOf } from './remote-attributes.ts'
import { octal, type RemoteVolume } from './remote-volume.ts'
import type { SeenFiles } from './seen-files.ts'
import { ShownFile } from './shown-file.ts'

const NOTHING_KEPT: KeptOpen = { hide: () => undefined, restore: () => undefined }
/** Directories of which it is known that they are there only because something is in them. */
const IMPLIED_MAX = 10_000

type Arguments<M extends keyof Volume> = Volume[M] extends (...args: infer A) => unknown ? A : never

export interface EventualMountVolumeOptions {
  readonly remote: RemoteVolume
  readonly client: ShoalClient
  readonly volume: string
  readonly drafts: Drafts
  readonly numbers: PathNumbers
  readonly own: OwnVersions
  readonly seen: SeenFiles
  readonly clock: Clock
}

/** An eventual volume of a node as a mount needs it: every change but that of contents is one of the node, at once. Contents are collected (`Drafts`) and
 *  stored whole when the file is closed or synced, so that each is one version. What is removed or replaced while it is open here is kept here. */
export class EventualMountVolume implements MountableVolume, WritesBack {
  readonly #options: EventualMountVolumeOptions
  readonly #remote: RemoteVolume
  readonly #drafts: Drafts
  readonly #numbers: PathNumbers
  readonly #own: OwnVersions
  readonly #seen: SeenFiles
  /** By path, with their modes. */
  readonly #implied = new Map<string, number>()
  /** What was removed or replaced while it was open, by hidden names. */
  readonly #kept = new Map<string, Kept>()

  constructor(options: EventualMountVolumeOptions) {
    this.#options = options
    this.#remote = options.remote
    this.#drafts = options.drafts
    this.#numbers = options.numbers
    this.#own = options.own
    this.#seen = options.seen
  }

  get info(): VolumeInfo {
    return this.#remote.info
  }

  async stat(path: Path): Promise<Attributes | undefined> {
    if (isHidden(path)) return this.#keptAt(path)?.attributes
    const draft = this.#drafts.find(path)
    if (draft?.isDirty === true) return this.#shown(path, draft.attributes(draft.base.inode))
    const seen = this.#seen.newest(path)
    if (seen !== undefined) return this.#shown(path, seen)
    const attributes = await this.#look(path)
    return attributes && this.#shown(path, attributes)
  }

  async list(path: Path, options: ListOptions = {}): Promise<Listing> {
    const { entries, next } = await this.#remote.list(path, options)
    const directories = new Set(entries.flatMap(({ path: [name], attributes: { type } }) => (type === 'directory' ? [name] : [])))
    const last = next === undefined ? undefined : entries.at(-1)?.path[0]
    const shown: Entry[] = []
    for (const { path: relative, attributes } of entries) {
      const [name] = relative as readonly [string]
      const at = [...path, name]
      if (attributes.type !== 'directory') {
        if (directories.has(name)) continue
        // Its directory may be on the next page: it comes before all names that begin with "name/", and after those with "name!".
        if (last?.startsWith(name) === true && (await this.#remote.stat(at))?.type === 'directory') continue
      }
      const draft = this.#drafts.find(at)
      const seen = draft?.isDirty === true && attributes.type === 'file' ? draft.attributes(attributes.inode) : attributes
      shown.push({ path: relative, attributes: this.#shown(at, seen) })
    }
    return { entries: shown, next }
  }

  async openFile(path: Path): Promise<OpenFile | undefined> {
    if (isHidden(path)) return this.#keptAt(path)?.open()
    const draft = this.#drafts.find(path)
    if (draft?.isDirty === true) return this.#drafts.open(path, draft, this.#shown(path, draft.attributes(draft.base.inode)))
    const attributes = this.#seen.newest(path) ?? (await this.#look(path))
    if (attributes === undefined) return undefined
    return new ShownFile(this.#remote.openKnown(path, attributes), { attributes: this.#shown(path, attributes) })
  }

  async locate(path: Path): Promise<Locations | undefined> {
    const attributes = await this.stat(path)
    if (attributes === undefined) return undefined
    const { sizeBytes: length } = attributes
    const whole = { offset: 0, length, kind: 'chunk', chunk: undefined, nodes: [], copies: [], state: 'stored' } as const
    return { attributes, extents: length === 0 ? [] : [whole] }
  }

  async writeFile(...[path, body, options]: Arguments<'writeFile'>): ReturnType<Volume['writeFile']> {
    if (isHidden(path) || !Buffer.isBuffer(body)) throw unsupported('Files without a name')
    const { mode, uid, gid } = options.attributes ?? {}
    const mark = this.#seen.mark()
    const source = {
      sizeBytes: body.length,
      async *read(offset: number, length: number) {
        yield body.subarray(offset, offset + length)
      },
    }
    const written = this.#options.client.wholeFiles.write(this.#options.volume, formatPath(path), source, {
      ...{ parents: false, uid, gid },
      ...(mode === undefined ? {} : { mode: octal(mode) }),
      ...(options.conditions?.ifNoneMatch === '*' ? { ifNoneMatch: '*' } : {}),
    })
    const attributes = await this.#own.make(path, written.then(attributesOf))
    this.#seen.add(path, attributes, mark)
    return { attributes: this.#shown(path, attributes), created: true }
  }

  async writeAt(...[path, { offset, bytes: given }]: Arguments<'writeAt'>): Promise<Attributes> {
    const bytes = Buffer.from(given)
    const kept = this.#keptAt(path)
    if (kept !== undefined) return kept.edit((draft, nowNs) => draft.write({ offset, bytes }, nowNs))
    return this.#shown(path, await this.#drafts.write(path, { offset, bytes }))
  }

  /** Stored with what is written afterwards, by `publish`. */
  async truncate(...[path, sizeBytes]: Arguments<'truncate'>): Promise<Attributes> {
    const kept = this.#keptAt(path)
    if (kept !== undefined) return kept.edit((draft, nowNs) => draft.truncate(sizeBytes, nowNs))
    return this.#shown(path, await this.#drafts.truncate(path, sizeBytes))
  }

  /** The zeros are stored. */
  async punch(...[path, range]: Arguments<'punch'>): Promise<Attributes> {
    await this.publish(path)
    return this.#made(path, this.#remote.punch(path, range))
  }

  async copyRange(...[copy]: Arguments<'copyRange'>): Promise<Attributes> {
    await this.publish(copy.source)
    await this.publish(copy.target)
    return this.#made(copy.target, this.#remote.copyRange(copy, { principal: '' }))
  }

  makeDirectory(...[path, options]: Arguments<'makeDirectory'>): Promise<Attributes> {
    return this.#made(path, this.#remote.makeDirectory(path, options))
  }

  makeSymlink(path: Path, target: Buffer): Promise<Attributes> {
    return this.#made(path, this.#remote.makeSymlink(path, target))
  }

  async makeNode(...[path, node, caller]: Arguments<'makeNode'>): Promise<Attributes> {
    if (node.type !== 'file') throw unsupported('Special files')
    return this.#made(path, this.#remote.makeNode(path, node, caller))
  }

  readSymlink(path: Path): Promise<Buffer> {
    return this.#remote.readSymlink(path)
  }

  async link(): Promise<Attributes> {
    throw unsupported('Further names of a file')
  }

  /** A file moves in one step of the node, a directory entry by entry. */
  async rename(...[source, target, options]: Arguments<'rename'>): Promise<Attributes> {
    if (options.mode === 'exchange') throw unsupported('Entries that change places')
    await this.#drafts.publishBelow(source)
    await this.#keepAbove(source)
    const mark = this.#seen.mark()
    const moved = await this.#own.move(source, target, this.#move(source, target, options))
    const isDirectory = moved.type === 'directory'
    this.#numbers.gone({ path: target, isDirectory: !isDirectory })
    this.#numbers.move({ path: source, isDirectory }, target)
    this.#drafts.moved(source, target, moved)
    for (const path of [source, target]) this.#seen.dropBelow(path)
    this.#seen.add(target, moved, mark)
    return this.#shown(target, moved)
  }

  async remove(path: Path): Promise<void> {
    if (isHidden(path)) {
      this.#keptAt(path)?.close()
      this.#kept.delete(hiddenName(path))
      return
    }
    await this.#keepAbove(path)
    await this.#drafts.settled(path)
    await this.#own.remove(path, this.#remote.remove(path))
    this.#drafts.discard(path)
    this.#implied.delete(formatPath(path))
    for (const isDirectory of [true, false]) this.#numbers.gone({ path, isDirectory })
  }

  async keepOpen(path: Path): Promise<KeptOpen> {
    const attributes = await this.stat(path)
    if (attributes?.type !== 'file') return NOTHING_KEPT
    try {
      const { draft, restore } = await this.#drafts.keep(path)
      return {
        restore,
        hide: (hidden) => void this.#kept.set(hiddenName(hidden), new Kept(draft, attributes, this.#options.clock)),
      }
    } catch (error) {
      // What is too long for this machine goes at once.
      if (!isShoalError(error, 'NO_SPACE')) throw error
      return NOTHING_KEPT
    }
  }

  /** Times of access aren't kept. */
  async setAttributes(path: Path, { atimeNs: _, ...changes }: AttributeChanges): Promise<Attributes> {
    const kept = this.#keptAt(path)
    if (kept !== undefined) return kept.change(changes)
    await this.publish(path)
    if (Object.keys(changes).length > 0) return this.#made(path, this.#remote.setAttributes(path, changes))
    const attributes = await this.stat(path)
    if (attributes === undefined) throw new ShoalError('NOT_FOUND', `There is no "${formatPath(path)}"`)
    return attributes
  }

  async listXattrs(path: Path): Promise<readonly string[]> {
    return isHidden(path) ? [] : this.#remote.listXattrs(path)
  }

  async readXattr(path: Path, name: string): Promise<Buffer | undefined> {
    return isHidden(path) ? undefined : this.#remote.readXattr(path, name)
  }

  async writeXattr(...[path, xattr, caller]: Arguments<'writeXattr'>): Promise<void> {
    if (isHidden(path)) throw unsupported('Attributes of a file that was removed')
    await this.publish(path)
    await this.#remote.writeXattr(path, xattr, caller)
    this.#seen.drop(path)
  }

  async removeXattr(path: Path, name: string): Promise<void> {
    if ((await this.readXattr(path, name)) === undefined)
      throw new ShoalError('XATTR_NOT_FOUND', `There is no attribute "${name}"`)
    await this.publish(path)
    await this.#remote.removeXattr(path, name)
    this.#seen.drop(path)
  }

  async publish(path: Path): Promise<void> {
    if (!isHidden(path)) await this.#drafts.publish(path)
  }

  collects(path?: Path): boolean {
    return path === undefined ? this.#drafts.size > 0 : !isHidden(path) && this.#drafts.find(path) !== undefined
  }

  discard(path: Path): void {
    this.#drafts.discard(path)
  }

  sync(path: Path): Promise<void> {
    return this.publish(path)
  }

  drain(): Promise<void> {
    return this.#drafts.publishBelow([])
  }

  shownInode(inode: InodeId): InodeId {
    return inode
  }

  storedInode(inode: InodeId): InodeId {
    return inode
  }

  forgotten(inode: InodeId): void {
    this.#numbers.forgotten(inode)
  }

  changedByOthers(): void {}

  doubt(path?: Path): void {
    this.#seen.doubt(path)
  }

  lostTrack(): void {
    this.#seen.changedAll()
  }

  /** A directory that is there only because of what is in it stays when that goes, as on a disk. */
  async #keepAbove(path: Path): Promise<void> {
    const above = path.slice(0, -1)
    const key = formatPath(above)
    const mode = this.#implied.get(key)
    if (mode === undefined) return
    this.#implied.delete(key)
    try {
      await this.#own.make(above, this.#remote.setAttributes(above, { mode }))
    } catch (error) {
      if (!isShoalError(error, 'NOT_FOUND')) throw error
    }
  }

  /** An empty directory gives way to another one, as rename(2) wants. */
  async #move(...[source, target, options]: Arguments<'rename'>): Promise<Attributes> {
    try {
      return await this.#remote.rename(source, target, options)
    } catch (error) {
      if (!isShoalError(error, 'ALREADY_EXISTS') || options.mode === 'no-replace') throw error
      const there = await this.#remote.stat(target)
      if (there !== undefined && there.type !== 'directory')
        throw new ShoalError('NOT_A_DIRECTORY', `"${formatPath(target)}" is no directory, and can't be replaced by one`)
      if (there !== undefined) await this.remove(target)
      return await this.#remote.rename(source, target, options)
    }
  }

  #keptAt(path: Path): Kept | undefined {
    return isHidden(path) ? this.#kept.get(hiddenName(path)) : undefined
  }

  async #look(path: Path): Promise<Attributes | undefined> {
    const mark = this.#seen.mark()
    const attributes = await this.#remote.stat(path)
    if (attributes !== undefined) this.#seen.add(path, attributes, mark)
    return attributes
  }

  async #made(path: Path, change: Promise<Attributes>): Promise<Attributes> {
    const mark = this.#seen.mark()
    const attributes = await this.#own.make(path, change)
    this.#seen.add(path, attributes, mark)
    return this.#shown(path, attributes)
  }

  #shown(path: Path, attributes: Attributes): Attributes {
    const isDirectory = attributes.type === 'directory'
    if (isDirectory && path.length > 0) this.#noteImplied(path, attributes)
    return { ...attributes, inode: this.#numbers.of({ path, isDirectory }, attributes.inode) }
  }

  /** Directories that have an entry have a version. */
  #noteImplied(path: Path, { version, mode }: Attributes): void {
    const key = formatPath(path)
    this.#implied.delete(key)
    if (version !== 0) return
    this.#implied.set(key, mode)
    if (this.#implied.size > IMPLIED_MAX) this.#implied.delete(this.#implied.keys().next().value as string)
  }
}

function isHidden(path: Path): boolean {
  return path.length === 1 && hiddenName(path).startsWith(HIDDEN_PREFIX)
}

function hiddenName([name]: Path): string {
  return name as string
}

function unsupported(what: string): ShoalError {
  return new ShoalError('UNSUPPORTED', `${what} are not for eventual volumes`)
}
