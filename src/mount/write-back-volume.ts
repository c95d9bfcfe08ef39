import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { formatPath, parsePath, type Path } from '#foundation/path.ts'
import type { LocalFile, MountableVolume } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import type { AttributeChanges, Caller, RangeWrite, RenameMode, ReservedRange, Volume } from '#volume/volume.ts'
import { checkEnd } from './content-layer.ts'
import { given } from './journal-record.ts'
import { last, parentOf } from './pending-unit.ts'
import { type Owned, type Renaming, type Touched, WriteBackNow, type WriteBackOptions } from './write-back-now.ts'
import { isLockFile } from './lock-file.ts'
import { type Found, WriteBackReads } from './write-back-reads.ts'
import type { ForeignChange } from './write-back-state.ts'

type Arguments<M extends keyof Volume> = Volume[M] extends (...args: infer A) => unknown ? A : never
type Answer<M extends keyof Volume> = Volume[M] extends (...args: never) => infer A ? A : never

const LINK_MODE = 0o777

/** A volume whose changes are made as soon as they are in the journal, and sent afterwards. Reads show them at once. What can't be
 *  told apart from what others do (directories that move, further names, ranges that are copied) waits until the cluster has what
 *  was changed before, and is done there. */
export class WriteBackVolume implements MountableVolume {
  readonly #options: WriteBackOptions
  readonly #reads: WriteBackReads
  readonly #now: WriteBackNow

  constructor(options: WriteBackOptions) {
    this.#options = options
    this.#reads = new WriteBackReads(options)
    this.#now = new WriteBackNow(options, this.#reads)
  }

  get info(): VolumeInfo {
    return this.#options.volume.info
  }

  shownInode(inode: InodeId): InodeId {
    return this.#options.state.shownInode(inode)
  }

  storedInode(inode: InodeId): InodeId {
    return this.#options.state.storedInode(inode)
  }

  forgotten(inode: InodeId): void {
    this.#options.state.forgotten(inode)
  }

  /** Others have changed something. */
  changedByOthers(change: ForeignChange): void {
    this.#options.state.changedByOthers(change)
  }

  /** A program here may know of what others have changed before it is told: whoever opens a file asks for it, each once. */
  doubt(path?: Path): void {
    const { known, state, isTold } = this.#options
    if (path === undefined) return known.doubt()
    // Nothing that is remembered is trusted then; it is shown where nobody can be asked.
    if (isTold()) known.doubted(formatPath(path))
    state.touch(formatPath(path))
  }

  /** A file was closed: what was written to it is through. */
  closed(path: Path): void {
    for (const unit of last(this.#options.tree, formatPath(path))) unit.isClosed = true
    this.#options.journal.hurry()
  }

  /** What others have changed isn't known. */
  lostTrack(): void {
    this.#options.state.lostTrack()
  }

  /** Resolves when the cluster has what was changed at a path before, and in it if it is a directory. @throws why it doesn't */
  async sync(path: Path): Promise<void> {
    const { tree, uploader, touched } = this.#options
    const text = formatPath(path)
    await uploader.settled([...last(tree, text), ...tree.unitsIn(text)])
    await touched.flush(text)
  }

  /** The same of all that is pending. */
  async drain(): Promise<void> {
    await this.#options.uploader.settled([...this.#options.tree.units])
    await this.#options.touched.flush()
  }

  stat(path: Path): Promise<Attributes | undefined> {
    return this.#reads.stat(path)
  }

  statNow(path: Path): Attributes | 'absent' | undefined {
    return this.#reads.statNow(path)
  }

  list(...args: Arguments<'list'>): Answer<'list'> {
    return this.#reads.list(...args)
  }

  openFile(path: Path): Promise<LocalFile | undefined> {
    return this.#reads.openFile(path)
  }

  openNow(path: Path): LocalFile | undefined {
    return this.#reads.openNow(path)
  }

  readSymlink(path: Path): Promise<Buffer> {
    return this.#reads.readSymlink(path)
  }

  async writeFile(...[path, body, options]: Arguments<'writeFile'>): Answer<'writeFile'> {
    if (!Buffer.isBuffer(body)) throw new ShoalError('UNSUPPORTED', 'A mount stores files of bytes at hand only')
    const text = formatPath(path)
    if (await this.#reads.isMadeThere(path)) {
      await this.#above(path)
      const made = await this.#through([path], () => this.#options.volume.writeFile(path, body, options))
      this.#options.known.added(text, false)
      return { ...made, attributes: this.#options.state.shown(text, made.attributes) }
    }
    await this.#free(text, body.length, 'PRECONDITION_FAILED')
    const { mode = 0o644, uid = 0, gid = 0 } = options.attributes ?? {}
    const made = { ...this.#now.made(text), mode, uid, gid }
    this.#now.record({ op: 'create', ...made })
    const { path: at, inode, timeNs } = made
    if (body.length > 0) this.#now.record({ op: 'write', path: at, inode, timeNs, offset: 0, length: body.length }, body)
    return { attributes: this.#now.shownAt(text), created: true }
  }

  async writeAt(...[path, { offset, bytes }]: Arguments<'writeAt'>): Promise<Attributes> {
    checkEnd(offset + bytes.length)
    await this.#options.state.room(bytes.length)
    return this.#change(path, (touched) => this.#now.record({ op: 'write', ...touched, offset, length: bytes.length }, bytes))
  }

  writeNow(path: Path, write: Pick<RangeWrite, 'offset' | 'bytes'>): Attributes | undefined {
    return this.#now.write(path, write)
  }

  createNow(path: Path, attributes: Owned): Attributes | undefined {
    return this.#now.make('create', path, attributes)
  }

  makeDirectoryNow(path: Path, attributes: Owned): Attributes | undefined {
    return this.#now.make('mkdir', path, attributes)
  }

  makeSymlinkNow(path: Path, target: Buffer, owner: Omit<Owned, 'mode'>): Attributes | undefined {
    return this.#now.make('symlink', path, { ...owner, mode: LINK_MODE, target: target.toString('base64') })
  }

  removeNow(path: Path): boolean {
    return this.#now.remove(path)
  }

  renameNow(source: Path, target: Path, mode: RenameMode): boolean {
    return this.#now.rename(source, target, mode)
  }

  setAttributesNow(path: Path, changes: AttributeChanges): Attributes | undefined {
    return this.#now.setAttributes(path, changes)
  }

  async truncate(path: Path, sizeBytes: number): Promise<Attributes> {
    checkEnd(sizeBytes)
    const isShorter = sizeBytes < (this.#reads.at(formatPath(path))?.shown.sizeBytes ?? 0)
    await this.#options.state.room(isShorter ? 'freeing' : 0)
    return this.#change(path, (touched) => this.#now.record({ op: 'truncate', ...touched, sizeBytes }))
  }

  async setAttributes(...[path, changes, caller]: Arguments<'setAttributes'>): Promise<Attributes> {
    if (path.length === 0) {
      if (changes.mtimeNs !== undefined) this.#options.touched.over('')
      return this.#options.volume.setAttributes(path, changes, caller)
    }
    const { tree, clock, state } = this.#options
    const text = formatPath(path)
    if (tree.retouch(text, changes, clock.nowNs())) return this.#now.shownAt(text)
    await state.room(0)
    return this.#change(path, (touched) => this.#now.record({ op: 'attributes', ...touched, changes: given(changes) }))
  }

  async makeDirectory(...[path, options]: Arguments<'makeDirectory'>): Promise<Attributes> {
    const text = formatPath(path)
    if (await this.#reads.isMadeThere(path)) {
      await this.#above(path)
      const made = await this.#through([path], () => this.#options.volume.makeDirectory(path, options))
      return this.#options.state.shown(text, made)
    }
    await this.#free(text, 0, 'ALREADY_EXISTS')
    const { uid = 0, gid = 0 } = options.attributes ?? {}
    this.#now.record({ op: 'mkdir', ...this.#now.made(text), mode: options.mode ?? 0o755, uid, gid })
    return this.#now.shownAt(text)
  }

  async makeSymlink(...[path, target, options]: Arguments<'makeSymlink'>): Promise<Attributes> {
    const text = formatPath(path)
    await this.#free(text, 0, 'ALREADY_EXISTS')
    const { uid = 0, gid = 0 } = options.attributes ?? {}
    this.#now.record({ op: 'symlink', ...this.#now.made(text), mode: LINK_MODE, uid, gid, target: target.toString('base64') })
    return this.#now.shownAt(text)
  }

  async makeNode(...[path, node, caller]: Arguments<'makeNode'>): Promise<Attributes> {
    if (node.type === 'file' && !(await this.#reads.isMadeThere(path))) {
      const text = formatPath(path)
      await this.#free(text, 0, 'ALREADY_EXISTS')
      this.#now.record({ op: 'create', ...this.#now.made(text), mode: node.mode, uid: 0, gid: 0 })
      return this.#now.shownAt(text)
    }
    await this.#above(path)
    return this.#changed(path, () => this.#options.volume.makeNode(path, node, caller))
  }

  async link(...[source, target, caller]: Arguments<'link'>): Promise<Attributes> {
    await this.sync(source)
    await this.#above(target)
    const made = await this.#through([source, target], () => this.#options.volume.link(source, target, caller))
    this.#options.known.added(formatPath(target), false)
    return this.#options.state.shown(formatPath(target), await this.#reads.counted(target, made))
  }

  async rename(...[source, target, options]: Arguments<'rename'>): Promise<Attributes> {
    const { mode = 'replace' } = options
    const [from, to] = [formatPath(source), formatPath(target)]
    parsePath(to)
    await this.#options.state.room(0)
    const renamed = await this.#unchanged([from, to], async () => {
      const there = mode === 'no-replace' ? this.#reads.at(to) : await this.#replaced(target)
      const found = await this.#found(source)
      return () => this.#renameFile({ from, to, mode, there, found })
    })
    if (renamed !== undefined) return renamed
    await this.drain()
    this.#options.known.clear()
    const moved = await this.#through([source, target], () => this.#options.volume.rename(source, target, options))
    return this.#options.state.shown(to, moved)
  }

  /** Moves it here, unless that is up to the cluster. */
  #renameFile({ from, to, mode, there, found }: Renaming): Attributes | undefined {
    if (mode === 'no-replace' && there !== undefined) throw new ShoalError('ALREADY_EXISTS', `There is a "/${to}" already`)
    if (mode === 'exchange' || found.shown.type === 'directory' || there?.shown.type === 'directory') return undefined
    if (there?.shown.inode === found.shown.inode) return found.shown
    this.#now.moved({ from, to, found, there })
    return this.#now.shownAt(to)
  }

  /** What a renaming replaces. Where nobody can say, nothing: if it is there after all, that shows when the file is sent. */
  async #replaced(target: Path): Promise<Found | undefined> {
    try {
      return await this.#reads.found(target)
    } catch (error) {
      if (isShoalError(error, 'UNAVAILABLE') || isShoalError(error, 'TIMEOUT')) return undefined
      throw error
    }
  }

  async remove(...[path]: Arguments<'remove'>): Promise<void> {
    const text = formatPath(path)
    if (isLockFile(path)) await this.#reads.sentBefore(text)
    await this.#options.state.room('freeing')
    const { type } = (await this.#found(path)).shown
    if (type === 'directory' && !(await this.#reads.isEmpty(path)))
      throw new ShoalError('DIRECTORY_NOT_EMPTY', `"/${text}" is not empty`)
    await this.#recorded(path, (touched) => this.#now.record({ op: 'remove', ...touched }))
  }

  async punch(...[path, range, caller]: Arguments<'punch'>): Promise<Attributes> {
    await this.sync(path)
    return this.#changed(path, () => this.#options.volume.punch(path, range, caller))
  }

  async reserve(path: Path, range: ReservedRange, caller: Caller): Promise<Attributes> {
    const { volume } = this.#options
    const reserve = volume.reserve?.bind(volume)
    if (reserve === undefined) throw new ShoalError('UNSUPPORTED', 'The volume sets nothing aside')
    await this.sync(path)
    return this.#changed(path, () => reserve(path, range, caller))
  }

  async copyRange(...[copy, caller]: Arguments<'copyRange'>): Promise<Attributes> {
    await this.sync(copy.source)
    await this.sync(copy.target)
    return this.#changed(copy.target, () => this.#options.volume.copyRange(copy, caller))
  }

  async locate(path: Path): Answer<'locate'> {
    await this.sync(path)
    const found = await this.#options.volume.locate(path)
    return found && { ...found, attributes: this.#options.state.shown(formatPath(path), found.attributes) }
  }

  async listXattrs(path: Path): Promise<readonly string[]> {
    if (this.#reads.isBare(path)) return []
    await this.#itself(path)
    return this.#options.volume.listXattrs(path)
  }

  async readXattr(path: Path, name: string): Promise<Buffer | undefined> {
    if (this.#reads.isBare(path)) return undefined
    await this.#itself(path)
    return this.#options.volume.readXattr(path, name)
  }

  async writeXattr(...[path, xattr, caller]: Arguments<'writeXattr'>): Promise<void> {
    // What was made in a directory before gets no list that it hands down from then on.
    await this.sync(path)
    await this.#through([path], () => this.#options.volume.writeXattr(path, xattr, caller))
  }

  async removeXattr(...[path, name, caller]: Arguments<'removeXattr'>): Promise<void> {
    await this.#itself(path)
    await this.#through([path], () => this.#options.volume.removeXattr(path, name, caller))
  }

  /** @throws NOT_FOUND */
  async #found(path: Path): Promise<Found> {
    const found = await this.#reads.found(path)
    if (found === undefined) throw new ShoalError('NOT_FOUND', `There is no "/${formatPath(path)}"`)
    return found
  }

  async #change(path: Path, record: (touched: Touched) => void): Promise<Attributes> {
    await this.#recorded(path, record)
    return this.#now.shownAt(formatPath(path))
  }

  /** Records a change of what lies at a path. What that is is looked at in the same turn: a moment later the cluster may have what was
   *  pending, and it would be changed as what it isn't any more. @throws NOT_FOUND */
  async #recorded(path: Path, record: (touched: Touched) => void): Promise<void> {
    const text = formatPath(path)
    const here = this.#reads.at(text)
    if (here !== undefined) return record(this.#now.touched(text, here))
    await this.#unchanged([text], async () => {
      const found = await this.#found(path)
      return () => record(this.#now.touched(text, found))
    })
  }

  /** Looks, and does what `look` answers in the turn in which nothing has changed at `paths` since it began. */
  async #unchanged<T>(paths: readonly string[], look: () => Promise<() => T>): Promise<T> {
    for (;;) {
      const watches = paths.map((path) => this.#options.state.watch(path))
      try {
        const act = await look()
        if (watches.every(({ isTouched }) => !isTouched)) return act()
      } finally {
        for (const watch of watches) watch.end()
      }
    }
  }

  /** Waits for room, and refuses a path that the cluster refuses, and a name that is taken here. That nothing is there in the cluster the kernel has found out before. */
  async #free(text: string, bytes: number, code: 'PRECONDITION_FAILED' | 'ALREADY_EXISTS'): Promise<void> {
    parsePath(text)
    await this.#options.state.room(bytes)
    if (this.#reads.at(text) !== undefined) throw new ShoalError(code, `There is a "/${text}" already`)
  }

  /** The cluster has what was changed at a path itself. */
  async #itself(path: Path): Promise<void> {
    const { tree, uploader } = this.#options
    await uploader.settled(last(tree, formatPath(path)))
  }

  /** The cluster has the directory above a path. */
  async #above(path: Path): Promise<void> {
    const { tree, uploader } = this.#options
    const text = formatPath(path)
    await uploader.settled([...last(tree, text), ...last(tree, parentOf(text))])
  }

  /** A change that the cluster makes at once. */
  async #through<T>(paths: readonly Path[], change: () => Promise<T>): Promise<T> {
    const { known, state } = this.#options
    try {
      return await change()
    } finally {
      // It may be with such a change that programs of several machines keep each other out.
      known.doubt()
      for (const path of paths) {
        const text = formatPath(path)
        known.changed(text)
        known.forget(parentOf(text))
        state.touch(text)
      }
    }
  }

  async #changed(path: Path, change: () => Promise<Attributes>): Promise<Attributes> {
    return this.#options.state.shown(formatPath(path), await this.#through([path], change))
  }
}
