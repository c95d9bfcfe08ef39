import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { ChangeMarks } from '#gateway/fuse/change-marks.ts'
import { formatPath, parsePath, type Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'
import { FolderLinks } from './folder-links.ts'
import type { Journal } from './journal.ts'
import type { JournalChange } from './journal-record.ts'
import type { KnownNames } from './known-names.ts'
import { parentOf, pathsOf, type PendingEntry, type PendingNode, type PendingUnit } from './pending-unit.ts'
import type { PendingTree } from './pending-tree.ts'
import type { TouchedFolders } from './touched-folders.ts'
import type { Change } from '#volume/volume.ts'
import type { Settlement } from './conflicts.ts'

/** What is kept in memory of each unit is about a kilobyte. */
const UNITS_MAX = 100_000
/** Beyond the bounds, for what makes room in the cluster: what the cluster has none for would stay for ever. */
const FREEING_BYTES = 4 * 1024 * 1024
const FREEING_UNITS = 10_000
const NO_LINKS = { links: 0, units: 0 }

/** A question to the cluster, and what has happened meanwhile where it asks. */
export interface Watch {
  isTouched: boolean
  /** What lies at the path has changed, not only what is in it. */
  isItself: boolean
  /** What was pending, and the cluster has now. */
  readonly settled: PendingEntry[]
  end(): void
}

export type ForeignChange = Pick<Change, 'path' | 'from' | 'type' | 'kind'> & Partial<Pick<Change, 'inode'>>

export interface WriteBackStateOptions {
  readonly journal: Journal
  readonly tree: PendingTree
  readonly known: KnownNames
  readonly touched: Pick<TouchedFolders, 'timeNs' | 'over'>
  readonly clock: Clock
  readonly journalBytesMax: number
  /** Changes beyond the journal's bound fail instead of waiting. */
  readonly isSoft: boolean
  /** Whether the kernel knows an inode by the number under which it is shown. */
  readonly isShown: (inode: InodeId) => boolean
  /** What was shown of a node, and at these paths, isn't what the cluster has. */
  readonly onLost: (inode: InodeId, paths: readonly Path[]) => void
  /** A directory is one that others have made before. */
  readonly onShared: (inode: InodeId) => void
  /** Nothing more has room in the journal. */
  readonly onFull: () => void
  /** What was shown is what the cluster has, under another version and change time. */
  readonly onSettled: (inode: InodeId, attributes: { readonly shown: Attributes; readonly stored: Attributes }) => void
}

/** What changes and reads of a mount that writes back share: the journal and what it stands for, numbers of inodes, who waits for
 *  room, and questions that are under way. */
export class WriteBackState {
  readonly links: FolderLinks
  readonly #options: WriteBackStateOptions
  readonly #watches = new Map<string, Set<Watch>>()
  readonly #foreign = new ChangeMarks<string>()
  /** When units were sent for the first time. */
  readonly #sent = new WeakMap<PendingUnit, number>()
  /** Numbers under which inodes of the cluster are shown, where these were made here. */
  readonly #shownAs = new Map<InodeId, InodeId>()
  readonly #storedAs = new Map<InodeId, InodeId>()
  #room = Promise.withResolvers<void>()

  constructor(options: WriteBackStateOptions) {
    this.#options = options
    this.links = new FolderLinks(options.tree)
  }

  /** Whether the journal has no room for `bytes` more, or for a change that makes room. */
  isFull(bytes: number | 'freeing'): boolean {
    const { journal, tree, journalBytesMax } = this.#options
    if (bytes === 'freeing') return journal.sizeBytes > journalBytesMax + FREEING_BYTES || tree.size >= UNITS_MAX + FREEING_UNITS
    return tree.size > 0 && (journal.sizeBytes + bytes > journalBytesMax || tree.size >= UNITS_MAX)
  }

  /** Waits until the journal has room for `bytes` more. @throws NO_SPACE if it has none and shall not wait */
  async room(bytes: number | 'freeing'): Promise<void> {
    if (this.isFull(bytes)) this.#options.onFull()
    while (this.isFull(bytes)) {
      if (this.#options.isSoft)
        throw new ShoalError('NO_SPACE', 'The journal of the mount is full, and the cluster does not take what it holds')
      await this.#room.promise
    }
  }

  /** Takes a change into the journal, and shows it. @throws NO_SPACE, STORAGE_FAILED */
  record(change: JournalChange, bytes?: Uint8Array): void {
    const { journal, tree, clock, touched } = this.#options
    // What the journal has is read again at the next start.
    assert(tree.canApply(change), 'A change says what it changes')
    const mayWait = change.op === 'write' && isBeingSent(tree.lastAt(change.path))
    const { number, place } = journal.append(change, bytes, { mayWait })
    const needless = tree.apply(change, { number, atMs: clock.monotonicMs(), place })
    if (needless.length > 0) this.#settle(needless, change.inode)
    if (change.op === 'remove' || (change.op === 'attributes' && change.changes.mtimeNs !== undefined)) touched.over(change.path)
    this.touch(change.path)
    if (change.op === 'rename') this.touch(change.to)
  }

  /** Of these changes of a unit nothing is left to be done. */
  needless(unit: PendingUnit, numbers: readonly number[]): void {
    this.#settle(numbers, unit.node.inode)
    for (const path of pathsOf(unit)) this.touch(path)
  }

  #settle(numbers: readonly number[], inode: InodeId, entry?: Attributes): void {
    this.#options.journal.settle(numbers, inode, entry)
    this.#room.resolve()
    this.#room = Promise.withResolvers()
  }

  /** Units are about to be sent for the first time. */
  sending(units: readonly PendingUnit[]): void {
    for (const unit of units) this.#sent.set(unit, this.#foreign.mark())
  }

  /** Others have changed something. */
  changedByOthers(change: ForeignChange): void {
    const { path, from, type, kind, inode } = change
    const { known } = this.#options
    this.#recognize(change)
    for (const at of from === undefined ? [path] : [path, from]) {
      const text = formatPath(at)
      if (kind === 'write' || kind === 'attributes') known.rewritten(text)
      else known.changed(text)
      known.forget(parentOf(text))
      this.#foreign.changed(text)
      this.touch(text)
    }
    // All that lay below it lies elsewhere.
    if (kind === 'rename' && type !== 'file') this.lostTrack()
    // Under which other names it is known isn't told.
    if (kind !== 'link') return
    if (inode === undefined) return this.lostTrack()
    known.linked(inode)
    this.#doubtAll()
  }

  /** A directory that both make is one, and goes on under the number that programs know. */
  #recognize({ path, type, kind, inode }: ForeignChange): void {
    if (type !== 'directory' || kind === 'remove' || inode === undefined) return
    const own = this.#options.tree.find(formatPath(path))
    if (typeof own === 'string' || own.base !== undefined || own.attributes.type !== 'directory') return
    if (this.#options.isShown(own.inode)) this.#alias(own.inode, inode)
  }

  /** What others have changed isn't known. */
  lostTrack(): void {
    this.#options.known.clear()
    this.#doubtAll()
  }

  /** No answer that is under way is to be relied on. */
  #doubtAll(): void {
    this.#foreign.changedAll()
    for (const watches of this.#watches.values()) for (const watch of watches) watch.isTouched = watch.isItself = true
  }

  /** The cluster has a unit. */
  done(unit: PendingUnit, entries: readonly PendingEntry[], { isLost, isShared, movedTo }: Settlement): void {
    const { known, touched, onLost, onShared, isShown } = this.#options
    const { node } = unit
    if (unit.isMaking && node.base !== undefined && isShown(node.inode)) this.#alias(node.inode, node.base.inode)
    this.#settle(unit.numbers, node.inode, unit.kind === 'remove' ? undefined : node.base)
    if (isShared === true) {
      known.shared(unit.path)
      onShared(node.inode)
    }
    this.links.done(unit)
    for (const entry of entries) {
      this.touch(entry.path, entry)
      // A listing may have told what the cluster had there still.
      if (entry.node === undefined) known.forget(entry.path)
      else this.#settled(entry.path, entry.node, { isLost, mark: this.#sent.get(unit) ?? -1 })
    }
    const paths = [...pathsOf(unit), ...(movedTo === undefined ? [] : [movedTo])]
    // The directories' times and links have changed with it.
    for (const path of paths) {
      known.forget(parentOf(path))
      if (unit.isMaking || unit.kind === 'remove' || unit.kind === 'rename') touched.over(parentOf(path))
    }
    if (isLost) {
      for (const path of paths) known.changed(path)
      onLost(node.inode, paths.map(parsePath))
    }
  }

  #settled(path: string, node: PendingNode, { isLost, mark }: { readonly isLost: boolean; readonly mark: number }): void {
    const { known, isShown, onSettled, onLost } = this.#options
    const { base, inode } = node
    if (base === undefined || isLost || node.movedTo !== undefined) {
      known.changed(path)
      return
    }
    if (isShown(inode)) this.#alias(inode, base.inode)
    // A default list of the directory may have changed it, and the feed has nothing to tell of what is done here.
    if (base.mode !== node.attributes.mode) onLost(inode, [])
    // Others may have changed it again before the answer came.
    if (this.#foreign.isChanged(mark, path)) known.rewritten(path)
    else known.put(path, base)
    onSettled(inode, { shown: node.attributes, stored: base })
  }

  #alias(shown: InodeId, stored: InodeId): void {
    if (shown === stored) return
    const before = this.#storedAs.get(shown)
    if (before !== undefined) this.#shownAs.delete(before)
    this.#shownAs.set(stored, shown)
    this.#storedAs.set(shown, stored)
  }

  shownInode(inode: InodeId): InodeId {
    return this.#shownAs.get(inode) ?? inode
  }

  storedInode(inode: InodeId): InodeId {
    return this.#storedAs.get(inode) ?? inode
  }

  /** The kernel has let go of an inode. */
  forgotten(shown: InodeId): void {
    const stored = this.#storedAs.get(shown)
    if (stored === undefined) return
    this.#storedAs.delete(shown)
    this.#shownAs.delete(stored)
  }

  /** What the cluster has, as the mount shows it: a directory with what is pending in it. */
  shown(path: string, attributes: Attributes): Attributes {
    const inode = this.shownInode(attributes.inode)
    const same = inode === attributes.inode ? attributes : { ...attributes, inode }
    return attributes.type === 'directory' ? this.#withPending(path, same) : same
  }

  shownNode(path: string, { attributes }: PendingNode): Attributes {
    return attributes.type === 'directory' ? this.#withPending(path, attributes) : attributes
  }

  #withPending(path: string, directory: Attributes): Attributes {
    const change = this.#options.tree.changeOf(path)
    const touchedNs = this.#options.touched.timeNs(path) ?? 0n
    if (change === undefined && touchedNs === 0n) return directory
    const { changedNs: pendingNs, count } = change ?? { changedNs: 0n, count: NO_LINKS }
    const changedNs = touchedNs > pendingNs ? touchedNs : pendingNs
    const nowNs = this.#options.clock.nowNs()
    // What it was given lies ahead: whatever is changed in it since then takes the place of that.
    const time = (ns: bigint): bigint => (changedNs === 0n || (ns > changedNs && ns <= nowNs) ? ns : changedNs)
    return {
      ...directory,
      links: Math.max(2, directory.links + count.links),
      mtimeNs: time(directory.mtimeNs),
      ctimeNs: time(directory.ctimeNs),
    }
  }

  /** To be begun before the cluster is asked for what lies at `path`, or in it. */
  watch(path: string): Watch {
    const watches = this.#watches.get(path) ?? new Set()
    this.#watches.set(path, watches)
    const watch: Watch = {
      isTouched: false,
      isItself: false,
      settled: [],
      end: () => {
        watches.delete(watch)
        if (watches.size === 0) this.#watches.delete(path)
      },
    }
    watches.add(watch)
    return watch
  }

  /** Something has changed at a path. */
  touch(path: string, settled?: PendingEntry): void {
    if (this.#watches.size === 0) return
    for (const at of [path, parentOf(path)]) {
      for (const watch of this.#watches.get(at) ?? []) {
        watch.isTouched = true
        if (at === path) watch.isItself = true
        if (settled !== undefined) watch.settled.push(settled)
      }
    }
  }
}

/** Parts of a file are sent while it is being written: until it is closed it may be flushed later than all else. */
function isBeingSent(unit: PendingUnit | undefined): boolean {
  return unit?.isBegun === true && !unit.isSent && !unit.isClosed
}
