import { type LinkCount, parentOf, type PendingEntry, type PendingNode, type PendingUnit } from './pending-unit.ts'

/** What is pending in a directory shows in the directory itself. */
export interface FolderChange {
  /** When a name was last made, moved or removed in it. */
  readonly changedNs: bigint
  readonly count: Readonly<LinkCount>
}

interface Folder {
  readonly entries: Map<string, PendingEntry>
  /** Units that touch names in it. */
  readonly units: Set<PendingUnit>
  changedNs: bigint
  count: LinkCount
}

const NO_ENTRIES: ReadonlyMap<string, PendingEntry> = new Map()
const NO_UNITS: ReadonlySet<PendingUnit> = new Set()

/** The entries of pending changes, by directory. */
export class PendingEntries {
  readonly #folders = new Map<string, Folder>()
  /** The one that was looked for last, and its path: what is changed is mostly beside what was changed before. */
  #latest: Folder | undefined
  #latestPath = ''

  get isEmpty(): boolean {
    return this.#folders.size === 0
  }

  get(path: string): PendingEntry | undefined {
    return this.#above(path)?.entries.get(path)
  }

  last(path: string): PendingUnit | undefined {
    return this.get(path)?.units.at(-1)
  }

  /** By path, what was changed in a directory. */
  in(folder: string): ReadonlyMap<string, PendingEntry> {
    return this.#folders.get(folder)?.entries ?? NO_ENTRIES
  }

  unitsIn(folder: string): ReadonlySet<PendingUnit> {
    return this.#folders.get(folder)?.units ?? NO_UNITS
  }

  *unitsBelow(path: string): Generator<PendingUnit, void, undefined> {
    for (const [folder, { units }] of this.#folders)
      if (path === '' || folder === path || folder.startsWith(`${path}/`)) yield* units
  }

  changeOf(folder: string): FolderChange | undefined {
    return this.#folders.get(folder)
  }

  /** A unit touches a path. */
  enter(path: string, unit: PendingUnit): void {
    this.#folder(path).units.add(unit)
  }

  place(path: string, node: PendingNode | undefined, unit: PendingUnit): void {
    const { entries } = this.#folder(path)
    let entry = entries.get(path)
    if (entry === undefined) entries.set(path, (entry = { path, node, units: [] }))
    entry.node = node
    entry.units.push(unit)
    if (node !== undefined) node.path = path
  }

  /** A unit doesn't touch a path any more; the entry, if that was the last one. */
  leave(path: string, unit: PendingUnit): PendingEntry | undefined {
    const folder = this.#folder(path)
    folder.units.delete(unit)
    const entry = folder.entries.get(path)
    const at = entry?.units.indexOf(unit) ?? -1
    if (at >= 0) entry?.units.splice(at, 1)
    const isGone = entry !== undefined && at >= 0 && entry.units.length === 0
    if (isGone) folder.entries.delete(path)
    if (folder.entries.size === 0 && folder.units.size === 0) {
      this.#folders.delete(parentOf(path))
      this.#latest = undefined
    }
    return isGone ? entry : undefined
  }

  /** A name was changed at a path. */
  changed(path: string, timeNs: bigint): void {
    const folder = this.#folder(path)
    if (timeNs > folder.changedNs) folder.changedNs = timeNs
  }

  /** A directory has a link of each directory in it, which a unit may make or remove. */
  count(unit: PendingUnit): void {
    if (linksOf(unit) === 0) return
    unit.countedIn = this.#folder(unit.path).count
    unit.countedIn.links += linksOf(unit)
    unit.countedIn.units += 1
  }

  /** The cluster has what a unit makes or removes: what is pending of the directory itself has that link from then on. */
  counted(unit: PendingUnit): void {
    discount(unit)
    const folder = parentOf(unit.path)
    const node = this.get(folder)?.node
    if (node === undefined || unit.countedIn === undefined || unit.countedIn !== this.#folders.get(folder)?.count) return
    node.attributes = { ...node.attributes, links: node.attributes.links + linksOf(unit) }
  }

  /** A directory is removed: what is still pending in it doesn't show in the next one of its name. */
  removed(directory: string): void {
    const folder = this.#folders.get(directory)
    if (folder !== undefined) folder.count = { links: 0, units: 0 }
  }

  /** The times of a directory were set: what was changed in it before doesn't show in them any more. */
  timesSet(folder: string): void {
    const there = this.#folders.get(folder)
    if (there !== undefined) there.changedNs = 0n
  }

  #folder(path: string): Folder {
    const there = this.#above(path)
    if (there !== undefined) return there
    const folder: Folder = { entries: new Map(), units: new Set(), changedNs: 0n, count: { links: 0, units: 0 } }
    this.#folders.set(parentOf(path), folder)
    return folder
  }

  #above(path: string): Folder | undefined {
    const length = Math.max(0, path.lastIndexOf('/'))
    if (this.#latest !== undefined && length === this.#latestPath.length && path.startsWith(this.#latestPath)) return this.#latest
    const name = path.slice(0, length)
    const folder = this.#folders.get(name)
    if (folder !== undefined) [this.#latest, this.#latestPath] = [folder, name]
    return folder
  }
}

/** What a unit makes or removes isn't pending any more. */
export function discount(unit: PendingUnit): void {
  if (unit.countedIn === undefined) return
  unit.countedIn.links -= linksOf(unit)
  unit.countedIn.units -= 1
}

function linksOf({ kind, node }: PendingUnit): -1 | 0 | 1 {
  if (kind === 'mkdir') return 1
  return kind === 'remove' && node.attributes.type === 'directory' ? -1 : 0
}
