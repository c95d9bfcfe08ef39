import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { formatPath, parsePath, type Path } from '#foundation/path.ts'
import type { LocalFile, MountableVolume } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Clock } from '#platform/clock.ts'
import type { Entry, Listing, Volume } from '#volume/volume.ts'
import type { Journal } from './journal.ts'
import type { KnownNames } from './known-names.ts'
import { clusterCursor, mergePage, type PageMerge } from './merged-listing.ts'
import { isLockFile } from './lock-file.ts'
import { PendingFile } from './pending-file.ts'
import { last, parentOf, type PendingNode } from './pending-unit.ts'
import type { PendingTree } from './pending-tree.ts'
import { ShownFile } from './shown-file.ts'
import { Unanswered } from './unanswered.ts'
import type { Uploader } from './uploader.ts'
import type { Watch, WriteBackState } from './write-back-state.ts'

type Arguments<M extends keyof Volume> = Volume[M] extends (...args: infer A) => unknown ? A : never
type Answer<M extends keyof Volume> = Volume[M] extends (...args: never) => infer A ? A : never

export interface WriteBackReadsOptions {
  /** The volume in the cluster. */
  readonly volume: MountableVolume
  /** Opens a file of the cluster whose attributes are known. */
  readonly openKnown: (path: Path, attributes: Attributes) => LocalFile
  readonly state: WriteBackState
  readonly journal: Journal
  readonly tree: PendingTree
  readonly known: KnownNames
  readonly clock: Clock
  /** Whether each change of others is told. */
  readonly isTold: () => boolean
  /** Whether all is known here that had been acknowledged when this was asked; false if nobody can say. */
  readonly hears: () => Promise<boolean>
  /** Whether that is so at this moment, as nothing changes. */
  readonly isSure: () => boolean
  /** Whoever opens a file asks the cluster for it, whatever is told. */
  readonly asksOnOpen: boolean
  readonly uploader: Pick<Uploader, 'settled'>
}

/** Something that is there: as it is shown, and what the cluster has of it, unless it is pending. */
export interface Found {
  readonly shown: Attributes
  readonly base: { readonly base?: Attributes }
}

type Stored =
  | { readonly kind: 'node'; readonly node: PendingNode }
  | { readonly kind: 'cluster'; readonly attributes: Attributes; readonly shown: Attributes }

/** Reads of a volume that is written back: what is pending over what the cluster has. */
export class WriteBackReads {
  readonly #options: WriteBackReadsOptions
  readonly #unanswered: Unanswered

  constructor(options: WriteBackReadsOptions) {
    this.#options = options
    this.#unanswered = new Unanswered(options)
  }

  /** What lies at a path, if that is known without asking. */
  statNow(path: Path): Attributes | 'absent' | undefined {
    const { tree, state, known, isTold } = this.#options
    const text = formatPath(path)
    const node = tree.find(text)
    if (node === 'absent') return node
    if (node !== 'unknown') return state.shownNode(text, node)
    if (!isTold()) return undefined
    const remembered = known.get(text)
    if (remembered !== undefined) return state.shown(text, remembered)
    return known.isAbsent(text) ? 'absent' : undefined
  }

  async stat(path: Path): Promise<Attributes | undefined> {
    const now = this.statNow(path)
    if (now !== undefined) return now === 'absent' ? undefined : now
    const text = formatPath(path)
    const there = await this.#stored(path)
    if (there === undefined) return undefined
    return there.kind === 'node' ? this.#options.state.shownNode(text, there.node) : there.shown
  }

  async list(...[path, options = {}]: Arguments<'list'>): Answer<'list'> {
    const { tree, state, volume } = this.#options
    const text = formatPath(path)
    const { cursor, ...rest } = options
    const node = tree.find(text)
    if (node === 'absent') throw new ShoalError('NOT_FOUND', `There is no directory "/${text}"`)
    const known = cursor === undefined ? this.#listKnown(text, rest.limit) : undefined
    if (known !== undefined) return this.#merged(text, { page: { entries: known, next: undefined }, cursor, settled: [] })
    const isNew = node !== 'unknown' && node.base === undefined
    const after = clusterCursor(cursor)
    for (let isFirst = true; ; isFirst = false) {
      const watch = state.watch(text)
      const mark = state.links.mark()
      try {
        const page = isNew
          ? { entries: [], next: undefined }
          : await volume.list(path, { ...rest, ...(after === undefined ? {} : { cursor: after }) })
        // What the cluster doesn't take now is listed as it is there.
        const attributes = page.entries.map((entry) => entry.attributes)
        if (isFirst && (await this.#otherNames(attributes).catch(() => false))) continue
        const entries = await state.links.certain(text, page.entries, { mark, ask: (at) => this.#storedAt(at) })
        if (!watch.isTouched) this.#learn(text, entries)
        return this.#merged(text, { page: { ...page, entries }, cursor, settled: watch.settled })
      } finally {
        watch.end()
      }
    }
  }

  /** What the cluster has in a directory that this mount has made, while changes of others are told; `undefined` if some of it isn't
   *  remembered, or there are more than `limit`. */
  #listKnown(folder: string, limit = Infinity): readonly Entry[] | undefined {
    const { known, tree, isTold } = this.#options
    const names = isTold() ? known.names(folder) : undefined
    if (names === undefined || names.size > limit) return undefined
    const changed = tree.changedIn(folder)
    const entries: Entry[] = []
    for (const name of names) {
      const path = pathIn(folder, name)
      if (changed.has(path)) continue
      const attributes = known.get(path)
      if (attributes === undefined) return undefined
      entries.push({ path: [name], attributes })
    }
    return entries
  }

  /** A page of what the cluster has in a directory with what is pending there, or was when the page was asked for. */
  #merged(folder: string, { page, cursor, settled }: Pick<PageMerge, 'page' | 'cursor'> & Pick<Watch, 'settled'>): Listing {
    const { tree, state } = this.#options
    const changed = tree.changedIn(folder)
    const meanwhile = settled.filter(({ path }) => parentOf(path) === folder && !changed.has(path))
    return mergePage({
      page,
      cursor,
      changed: [...new Map(meanwhile.map((entry) => [entry.path, entry])).values(), ...changed.values()],
      show: (name, attributes) => state.shown(pathIn(folder, name), attributes),
      showPending: (entry) => (entry.node === undefined ? undefined : state.shownNode(entry.path, entry.node)),
    })
  }

  /** What lies in a directory of the cluster. */
  #learn(folder: string, entries: readonly Entry[]): void {
    const { known } = this.#options
    for (const { path, attributes } of entries) {
      known.put(pathIn(folder, path.at(-1) as string), attributes)
    }
  }

  /** What is pending, or known for sure. */
  openNow(path: Path): LocalFile | undefined {
    const { tree, volume, openKnown, journal, isTold, isSure } = this.#options
    const node = tree.find(formatPath(path))
    if (node === 'absent') return undefined
    if (node !== 'unknown') {
      return new PendingFile({
        node,
        openKnown: (base) => openKnown(parsePath(node.storedAt), base),
        openNow: (at) => volume.openFile(parsePath(at)),
        readJournal: (place, length) => journal.read(place, length),
      })
    }
    return this.#openSure(path) ?? (isTold() && isSure() ? this.#openHeard(path) : undefined)
  }

  async openFile(path: Path): Promise<LocalFile | undefined> {
    const { tree, state } = this.#options
    const text = formatPath(path)
    for (;;) {
      if (tree.find(text) === 'absent') return undefined
      const sure = this.openNow(path)
      if (sure !== undefined) return sure
      if (await this.#isHeard(text)) {
        if (tree.find(text) !== 'unknown') continue
        const now = this.#openHeard(path)
        if (now !== undefined) return now
      }
      const watch = state.watch(text)
      const opened = await this.#openStored(path).finally(() => watch.end())
      if (watch.isTouched) {
        opened?.close()
        continue
      }
      if (opened === undefined) return undefined
      if (await this.#otherNames([opened.attributes])) continue
      this.#options.known.put(text, opened.attributes)
      return new ShownFile(opened, { attributes: state.shown(text, opened.attributes), local: opened.local })
    }
  }

  /** While changes are told nobody has to ask. Contents that are of another version by now are looked for anew. */
  #openSure(path: Path): LocalFile | undefined {
    const { known, isTold, asksOnOpen } = this.#options
    const sure = isTold() && !asksOnOpen ? known.getSure(formatPath(path)) : undefined
    return sure?.type === 'file' ? this.#open(path, sure) : undefined
  }

  /** Whether what is remembered of a file is the newest that there was when this was called. */
  async #isHeard(text: string): Promise<boolean> {
    const { known, isTold, hears } = this.#options
    return isTold() && known.get(text)?.type === 'file' && (await hears()) && isTold()
  }

  #openHeard(path: Path): LocalFile | undefined {
    const { known, asksOnOpen } = this.#options
    const text = formatPath(path)
    const now = known.get(text)
    if (now?.type !== 'file') return undefined
    if (!asksOnOpen) known.put(text, now)
    return this.#open(path, now)
  }

  #open(path: Path, attributes: Attributes): LocalFile {
    const { known, openKnown, state } = this.#options
    const text = formatPath(path)
    const onRefused = (): void => known.forget(text)
    const file = openKnown(path, attributes)
    return new ShownFile(file, { attributes: state.shown(text, attributes), local: file.local, onRefused })
  }

  /** What can't be asked for is as it was when it was last seen. */
  async #openStored(path: Path): Promise<LocalFile | undefined> {
    const { volume, known, openKnown } = this.#options
    const last = known.last(formatPath(path))
    if (this.#unanswered.isAway && last?.type === 'file') return openKnown(path, last)
    try {
      return await this.#unanswered.asked(volume.openFile(path), { isKnown: last !== undefined })
    } catch (error) {
      this.#unanswered.was(error)
      if (last?.type !== 'file') throw error
      return openKnown(path, last)
    }
  }

  async readSymlink(path: Path): Promise<Buffer> {
    const { tree, uploader, volume } = this.#options
    const text = formatPath(path)
    const node = tree.find(text)
    if (typeof node !== 'string' && node.target !== undefined) return node.target
    // It may have another name in the cluster still.
    if (typeof node !== 'string') await uploader.settled(last(tree, text))
    return volume.readSymlink(path)
  }

  async found(path: Path): Promise<Found | undefined> {
    const text = formatPath(path)
    const pending = this.at(text)
    if (pending !== undefined || this.#options.tree.find(text) === 'absent') return pending
    const there = await this.#stored(path)
    if (there === undefined) return undefined
    if (there.kind === 'node') return { shown: this.#options.state.shownNode(text, there.node), base: {} }
    return { shown: there.shown, base: { base: there.attributes } }
  }

  /** What is known to be at a path without asking. */
  at(text: string): Found | undefined {
    const { tree, state, known, isTold } = this.#options
    const node = tree.find(text)
    if (node === 'absent') return undefined
    if (node !== 'unknown') return { shown: state.shownNode(text, node), base: {} }
    const base = isTold() ? known.get(text) : undefined
    return base === undefined ? undefined : { shown: state.shown(text, base), base: { base } }
  }

  /** What the cluster has at a path, unless something is pending there by the time that it answers. */
  async #stored(path: Path): Promise<Stored | undefined> {
    const { tree, state, known, volume, isTold, uploader } = this.#options
    const text = formatPath(path)
    for (;;) {
      const node = tree.find(text)
      if (node === 'absent') return undefined
      if (node !== 'unknown') return { kind: 'node', node }
      const mayRemember = isTold() || this.#unanswered.isAway
      const remembered = isTold() ? known.get(text) : known.last(text)
      if (mayRemember && remembered !== undefined) return this.#inCluster(text, remembered)
      if (mayRemember && known.isAbsent(text)) return undefined
      const watch = state.watch(text)
      const mark = state.links.mark()
      try {
        const attributes = await this.#unanswered.asked(volume.stat(path), { isKnown: known.last(text) !== undefined })
        // While things are made in a directory there is no end of changes to it.
        if (watch.isItself || (watch.isTouched && attributes?.type !== 'directory')) continue
        if (attributes === undefined) return undefined
        if (await this.#otherNames([attributes])) continue
        if (attributes.type === 'directory' && state.links.isDoubtful(text, mark)) {
          await uploader.settled(state.links.beingSent(text)).catch(() => undefined)
          continue
        }
        if (!watch.isTouched) known.put(text, attributes)
        return this.#inCluster(text, attributes)
      } catch (error) {
        this.#unanswered.was(error)
        const last = known.last(text)
        if (last === undefined) throw error
        return this.#inCluster(text, last)
      } finally {
        watch.end()
      }
    }
  }

  async #storedAt(text: string): Promise<Attributes | undefined> {
    const there = await this.#stored(parsePath(text))
    return there?.kind === 'cluster' ? there.attributes : undefined
  }

  /** What is pending in a directory is added at once: a moment later it may be counted otherwise. */
  #inCluster(text: string, attributes: Attributes): Stored {
    return { kind: 'cluster', attributes, shown: this.#options.state.shown(text, attributes) }
  }

  /** What the cluster says of a file, but for names of it that are removed here. */
  async counted(path: Path, said: Attributes): Promise<Attributes> {
    const hadOthers = await this.#otherNames([said]).catch(() => false)
    return hadOthers ? ((await this.#options.volume.stat(path)) ?? said) : said
  }

  /** What is pending of files under others of their names is sent before they are looked at under these. Whether there was something. */
  async #otherNames(files: readonly Attributes[]): Promise<boolean> {
    const linked = new Set(files.filter(({ type, links }) => type !== 'directory' && links > 1).map(({ inode }) => inode))
    if (linked.size === 0) return false
    const { tree, uploader } = this.#options
    const isLinked = (node: PendingNode | undefined): boolean => node?.base !== undefined && linked.has(node.base.inode)
    const units = [...tree.units].filter(({ node, replaces }) => isLinked(node) || isLinked(replaces))
    await uploader.settled(units)
    return units.length > 0
  }

  /** The cluster has nothing of it yet. */
  isNew(path: Path): boolean {
    const node = this.#options.tree.find(formatPath(path))
    return typeof node !== 'string' && node.base === undefined
  }

  /** Whether something has no extended attributes, as far as can be known: of what the cluster has, it has the word as long as it answers. */
  isBare(path: Path): boolean {
    const node = this.#options.tree.find(formatPath(path))
    if (typeof node !== 'string' && node.base === undefined) return true
    const last = typeof node === 'string' ? this.#options.known.last(formatPath(path)) : node.base
    return this.#unanswered.isAway && last?.hasXattrs === false
  }

  /** All that was changed before a lock file goes is there for whoever makes it next. What can't be sent holds nobody up. */
  async sentBefore(lock: string): Promise<void> {
    const { tree, uploader } = this.#options
    const own = new Set(last(tree, lock))
    await uploader.settled([...tree.units].filter((unit) => !own.has(unit))).catch(() => undefined)
  }

  /** Whether something must be made in the cluster at once: what keeps others out, and what inherits an access control list. */
  async isMadeThere(path: Path): Promise<boolean> {
    const now = this.isMadeThereNow(path)
    if (now !== undefined) return now
    try {
      return (await this.stat(path.slice(0, -1)))?.hasXattrs !== false
    } catch (error) {
      if (isShoalError(error, 'UNAVAILABLE') || isShoalError(error, 'TIMEOUT')) return false
      throw error
    }
  }

  /** The same, if it is known without asking. */
  isMadeThereNow(path: Path): boolean | undefined {
    const { known, isTold } = this.#options
    if (isLockFile(path)) return true
    const above = path.slice(0, -1)
    if (this.isNew(above)) return false
    return isTold() ? known.hasXattrs(formatPath(above)) : undefined
  }

  /** Whether a directory has nothing in it. */
  async isEmpty(path: Path): Promise<boolean> {
    const { tree, known, isTold } = this.#options
    const text = formatPath(path)
    if ([...tree.changedIn(text).values()].some(({ node }) => node !== undefined)) return false
    if (this.isNew(path)) return true
    const isEmpty = isTold() ? known.isEmpty(text) : undefined
    if (isEmpty !== undefined) return isEmpty
    let cursor: string | undefined
    do {
      const page = await this.list(path, cursor === undefined ? {} : { cursor })
      if (page.entries.length > 0) return false
      cursor = page.next
    } while (cursor !== undefined)
    return true
  }
}

/** As one string: what is put together otherwise is kept in its pieces as well. */
function pathIn(folder: string, name: string): string {
  return folder === '' ? name : [folder, name].join('/')
}
