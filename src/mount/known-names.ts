import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { PackedAttributes } from './packed-attributes.ts'
import { nameOf, parentOf } from './pending-unit.ts'

/** What is remembered of entries, some 200 bytes each with its path, and of names in directories that this mount has made. */
const ENTRIES_MAX = 100_000
const FOLDERS_MAX = 20_000
const NAMES_MAX = 500_000

/** What the cluster was last heard to have, by path: right as long as each change of others is told. Pure. */
export class KnownNames {
  /** The oldest first, with their slots. */
  readonly #entries = new Map<string, number>()
  /** Noted with each is when it was heard, counted in `doubt`s. */
  readonly #attributes = new PackedAttributes()
  /** Where the oldest are: a Map that is asked for its first key looks at all that were deleted before it. */
  #oldest = this.#entries.keys()
  /** Directories of which it is known whether they have extended attributes, which what is made in them may inherit. */
  readonly #xattrs = new Map<string, boolean>()
  /** Directories of which all names are known, since this mount has made them. */
  readonly #whole = new Map<string, Set<string>>()
  /** Directories as they were before something in them was changed, and files as they were before somebody wanted to know for sure: for when
   *  nobody can be asked. The oldest first. */
  readonly #before = new Map<string, Attributes>()
  #names = 0
  #round = 0

  get(path: string): Attributes | undefined {
    const slot = this.#entries.get(path)
    return slot === undefined ? undefined : this.#attributes.get(slot)
  }

  /** The same, or what was heard before it was changed in here, or doubted. */
  last(path: string): Attributes | undefined {
    return this.get(path) ?? this.#before.get(path)
  }

  /** The same, of what was heard since the last `doubt`. */
  getSure(path: string): Attributes | undefined {
    const slot = this.#entries.get(path)
    return slot !== undefined && this.#attributes.note(slot) === this.#round ? this.#attributes.get(slot) : undefined
  }

  /** Something has happened by which a program may know of changes before they are told. */
  doubt(): void {
    this.#round += 1
  }

  /** Whether nothing lies there, as far as is known. */
  isAbsent(path: string): boolean {
    return this.#whole.get(parentOf(path))?.has(nameOf(path)) === false
  }

  /** Whether a directory is known to be empty; `undefined`: not known. */
  isEmpty(folder: string): boolean | undefined {
    const names = this.#whole.get(folder)
    return names === undefined ? undefined : names.size === 0
  }

  /** All names in a directory, if they are known. */
  names(folder: string): ReadonlySet<string> | undefined {
    return this.#whole.get(folder)
  }

  /** What is known by more than one name changes behind one's back. */
  put(path: string, attributes: Attributes): void {
    this.forget(path)
    if (attributes.type !== 'directory') this.#before.delete(path)
    if (attributes.type === 'directory') this.#noteXattrs(path, attributes.hasXattrs !== false)
    if (attributes.type !== 'directory' && attributes.links > 1) return
    this.#entries.set(path, this.#attributes.add(attributes, this.#round))
    while (this.#entries.size > ENTRIES_MAX) {
      const { value, done } = this.#oldest.next()
      if (done === true) this.#oldest = this.#entries.keys()
      else this.forget(value)
    }
  }

  forget(path: string): void {
    const slot = this.#entries.get(path)
    if (slot === undefined) return
    const attributes = this.#attributes.get(slot)
    if (attributes.type === 'directory') this.#noteBefore(path, attributes)
    this.#entries.delete(path)
    this.#attributes.free(slot)
  }

  /** Whoever can be asked has the word on what lies there. */
  doubted(path: string): void {
    const attributes = this.get(path)
    this.forget(path)
    if (attributes !== undefined) this.#noteBefore(path, attributes)
  }

  #noteBefore(path: string, attributes: Attributes): void {
    this.#before.delete(path)
    this.#before.set(path, attributes)
    if (this.#before.size <= FOLDERS_MAX) return
    const [oldest] = this.#before.keys()
    this.#before.delete(oldest as string)
  }

  /** An inode has got a further name: what is changed by way of that isn't told of this one. */
  linked(inode: InodeId): void {
    for (const [path, slot] of this.#entries) if (this.#attributes.inode(slot) === inode) this.forget(path)
  }

  /** This mount has made something there. */
  added(path: string, isDirectory: boolean): void {
    this.forget(path)
    const names = this.#whole.get(parentOf(path))
    if (names !== undefined && !names.has(nameOf(path))) {
      names.add(nameOf(path))
      this.#names += 1
    }
    if (isDirectory) {
      this.#whole.set(path, new Set())
      this.#noteXattrs(path, false)
    }
    for (const [folder, { size }] of this.#whole) {
      if (this.#names <= NAMES_MAX && this.#whole.size <= NAMES_MAX) break
      this.#whole.delete(folder)
      this.#names -= size
    }
  }

  /** This mount has removed it. */
  removed(path: string): void {
    this.forget(path)
    this.#before.delete(path)
    if (this.#whole.get(parentOf(path))?.delete(nameOf(path)) === true) this.#names -= 1
    this.#dropWhole(path)
  }

  /** Others have changed what lies there. */
  rewritten(path: string): void {
    this.forget(path)
    if (this.#before.get(path)?.type !== 'directory') this.#before.delete(path)
    this.#xattrs.delete(path)
  }

  /** Others have made, moved or removed something there. */
  changed(path: string): void {
    this.rewritten(path)
    this.#before.delete(path)
    this.#dropWhole(parentOf(path))
    this.#dropWhole(path)
  }

  /** Others have made the same directory before, and may have put something into it. */
  shared(folder: string): void {
    this.#dropWhole(folder)
  }

  clear(): void {
    this.#entries.clear()
    this.#oldest = this.#entries.keys()
    this.#attributes.clear()
    this.#xattrs.clear()
    this.#before.clear()
    this.#whole.clear()
    this.#names = 0
  }

  /** Whether a directory may have extended attributes; `undefined`: not known. */
  hasXattrs(folder: string): boolean | undefined {
    return this.#xattrs.get(folder)
  }

  #noteXattrs(folder: string, has: boolean): void {
    this.#xattrs.set(folder, has)
    if (this.#xattrs.size <= FOLDERS_MAX) return
    const [oldest] = this.#xattrs.keys()
    this.#xattrs.delete(oldest as string)
  }

  #dropWhole(folder: string): void {
    this.#names -= this.#whole.get(folder)?.size ?? 0
    this.#whole.delete(folder)
  }
}
