import { ShoalError } from '#foundation/errors.ts'
import type { Transaction } from '#kv/store.ts'
import { checkValue, stale } from './check-value.ts'
import { type Dot, type EntryState, type EntryValue, formatDot, isSameDot, shownVersion, type Version } from './entry.ts'
import { pathBytes, type Place, placeRange, readEntryKey } from './keys.ts'
import {
  decodeCursor,
  encodeCursor,
  listEntries,
  type ListedPage,
  type ListRequest,
  nameOf,
  shownEntry,
  type ShownEntry,
} from './listing.ts'
import { ObjectEntries } from './object-entries.ts'
import type { Replica } from './replica.ts'

export interface ChangeOptions {
  /** The version that the change is made over, as known to who asks; `absent`: there is nothing. Another one here: PRECONDITION_FAILED. */
  readonly base?: Dot | 'absent'
  /** Which versions the writer knows: what of other nodes isn't among them stays beside his as a conflict. */
  readonly isKnown?: ((dot: Dot) => boolean) | undefined
  /** Rows that change in the same step. */
  readonly along?: ((transaction: Transaction) => void) | undefined
}

export interface PutResult {
  readonly version: Version
  /** True if the path showed nothing before. */
  readonly created: boolean
}

export type ValueChanges = Partial<Pick<EntryValue, 'mode' | 'uid' | 'gid' | 'mtimeNs' | 'tags'>>

export interface ConflictedPath {
  readonly path: string
  /** The winner first. */
  readonly versions: readonly Version[]
}

/** Entries of a tree changed in one transaction. */
const TREE_STEP = 256
const CONFLICTS_MAX = 100

/** The entries of one eventual volume, as this node has them. Every change is one transaction on this node, durable and on its way to the
 *  others when the promise resolves; nobody else is waited for. Paths are S3 keys of 1 to 1,024 bytes; a directory's ends in a slash, and a
 *  directory is also there, without an entry, if anything is in it.
 *
 *  Trees are changed in steps of some hundred entries: another node, or a crash, may see some of them only. A removal within a tree, and that
 *  of a rename's source, loses against any concurrent write, so that the write's path comes back.
 *
 *  @throws INVALID_PATH, NAME_TOO_LONG; PRECONDITION_FAILED; UNAVAILABLE on a node that has not joined yet; what the store throws */
export class EventualNamespace {
  readonly volume: string
  readonly #replica: Replica

  constructor(replica: Replica, volume: string) {
    this.#replica = replica
    this.volume = volume
  }

  /** The same entries as objects: with all versions, each a thing of its own. */
  objects(): ObjectEntries {
    return new ObjectEntries(this.#replica, this.volume)
  }

  async stat(path: string): Promise<ShownEntry | undefined> {
    const place = this.#place(path)
    return shownEntry(place.path, await this.#read(place))
  }

  list(request: ListRequest = {}): Promise<ListedPage> {
    return this.#replica.store.read((snapshot) => listEntries(snapshot, this.volume, request))
  }

  /** Replaces what is at the path, also by another type. On a volume with `cas`, what replaces something needs a base. */
  async put(path: string, value: EntryValue, options: ChangeOptions = {}): Promise<PutResult> {
    const place = this.#place(path)
    checkValue(value)
    return this.#change(place, (transaction, before) => {
      this.#checkBase(transaction, place, { before, options })
      options.along?.(transaction)
      const { isKnown } = options
      return { version: this.#replica.table.write(transaction, place, { value, isKnown }), created: before === undefined }
    })
  }

  /** @returns whether there was something to remove */
  async remove(path: string, options: ChangeOptions = {}): Promise<boolean> {
    const place = this.#place(path)
    return this.#change(place, (transaction, before) => {
      this.#checkBase(transaction, place, { before, options })
      if (before !== undefined) this.#replica.table.write(transaction, place, { value: undefined })
      return before !== undefined
    })
  }

  /** Removes everything below a directory, and the directory. What is written into it elsewhere meanwhile stays. @returns how many entries */
  async removeTree(path: string): Promise<number> {
    return this.#removeBelow(this.#place(directoryPath(path)).path)
  }

  /** Removes all entries, as `removeTree` does those of a directory. */
  removeAll(): Promise<number> {
    return this.#removeBelow('')
  }

  async #removeBelow(prefix: string): Promise<number> {
    let removed = 0
    await this.#eachBelow(prefix, (transaction, place) => {
      this.#replica.table.write(transaction, place, { value: undefined, yields: true })
      removed += 1
    })
    return removed
  }

  /** @throws NOT_FOUND */
  async setAttributes(path: string, changes: ValueChanges, options: ChangeOptions = {}): Promise<PutResult> {
    const place = this.#place(path)
    return this.#change(place, (transaction, before) => {
      if (before === undefined) throw notFound(path)
      this.#checkBase(transaction, place, { before, options: { base: before, ...options } })
      const value = { ...before.value, ...changes }
      checkValue(value)
      return { version: this.#replica.table.write(transaction, place, { value }), created: false }
    })
  }

  /** @throws ALREADY_EXISTS if it has an entry */
  async makeDirectory(path: string, attributes: Pick<EntryValue, 'mode' | 'uid' | 'gid' | 'mtimeNs'>): Promise<PutResult> {
    const place = this.#place(directoryPath(path))
    const content = { kind: 'inline', bytes: Buffer.alloc(0) } as const
    const rest = { sizeBytes: 0, sha256: undefined, btimeNs: attributes.mtimeNs, tags: new Map<string, Buffer>(), content }
    const value: EntryValue = { type: 'directory', ...attributes, ...rest }
    return this.#change(place, (transaction, before) => {
      if (before !== undefined) throw new ShoalError('ALREADY_EXISTS', `There is a directory "${path}" already`)
      return { version: this.#replica.table.write(transaction, place, { value }), created: true }
    })
  }

  /** Moves a file in one step on this node; others may see the new name before the old one is gone, or after.
   *  @throws NOT_FOUND; ALREADY_EXISTS without `replace` */
  async rename(source: string, target: string, { replace = false }: { readonly replace?: boolean } = {}): Promise<void> {
    const [from, to] = [this.#place(source), this.#place(target)]
    if (from.path === to.path) return
    await this.#replica.change((transaction, tell) => {
      const moved = this.#shown(transaction, from)
      if (moved === undefined) throw notFound(source)
      if (!replace && this.#shown(transaction, to) !== undefined)
        throw new ShoalError(
          'ALREADY_EXISTS',
          `There is "${target}" already: say that it may be replaced, or choose another name`,
        )
      this.#replica.table.write(transaction, to, { value: moved.value })
      this.#replica.table.write(transaction, from, { value: undefined, yields: true })
      tell(from)
      tell(to)
    })
  }

  /** Moves everything below a directory, entry by entry in steps. After a crash the same call goes on. @throws NOT_FOUND, MOVE_INTO_ITSELF */
  async renameTree(source: string, target: string): Promise<number> {
    const [from, to] = [this.#place(directoryPath(source)).path, this.#place(directoryPath(target)).path]
    if (to.startsWith(from)) throw new ShoalError('MOVE_INTO_ITSELF', `"${source}" can't be moved into itself`)
    let moved = 0
    await this.#eachBelow(from, (transaction, place, tell) => {
      const path = to + place.path.slice(from.length)
      // Refuses what would become too long before anything of this step is moved.
      const goal = { volume: this.volume, path: pathBytes(nameOf(path)) }
      const shown = this.#shown(transaction, place)
      if (shown === undefined) return
      this.#replica.table.write(transaction, goal, { value: shown.value })
      this.#replica.table.write(transaction, place, { value: undefined, yields: true })
      tell(goal)
      moved += 1
    })
    if (moved === 0) throw notFound(source)
    return moved
  }

  /** All that is kept of a path, the winner first; removals too. */
  async versions(path: string): Promise<readonly Version[]> {
    return (await this.#read(this.#place(path))).versions
  }

  /** Paths with versions that lost, in order. `cursor` is `next` of the page before. */
  conflicts({ prefix = '', cursor }: { readonly prefix?: string; readonly cursor?: string } = {}): Promise<{
    readonly conflicts: readonly ConflictedPath[]
    readonly next: string | undefined
  }> {
    const begin = Buffer.from(prefix, 'utf8').toString('latin1')
    const from = cursor === undefined ? begin : decodeCursor(cursor)
    return this.#replica.store.read((snapshot) => {
      const { start, end } = placeRange('c', { volume: this.volume, prefix: begin, from })
      const rows = [...snapshot.range({ start, end, limit: CONFLICTS_MAX + 1 })].map(({ key }) => readEntryKey(key))
      const next = rows.length > CONFLICTS_MAX ? encodeCursor((rows.pop() as Place).path) : undefined
      const conflicts = rows.map((place) => ({
        path: nameOf(place.path),
        versions: this.#replica.table.read(snapshot, place).versions,
      }))
      return { conflicts, next }
    })
  }

  /** Makes a version that lost the content of the path again; what was there, and all other versions, are overwritten. @throws NOT_FOUND */
  async restore(path: string, dot: Dot): Promise<PutResult> {
    const place = this.#place(path)
    return this.#change(place, (transaction) => {
      const { value } = this.#lost(transaction, place, { path, dot })
      return { version: this.#replica.table.write(transaction, place, { value }), created: false }
    })
  }

  /** Lets a version that lost go, everywhere. @throws NOT_FOUND */
  async drop(path: string, dot: Dot): Promise<void> {
    const place = this.#place(path)
    return this.#change(place, (transaction) => {
      const lost = this.#lost(transaction, place, { path, dot })
      this.#replica.table.drop(transaction, place, (version) => isSameDot(version, lost))
    })
  }

  #place(path: string): Place {
    return { volume: this.volume, path: pathBytes(path) }
  }

  async #read(place: Place): Promise<EntryState> {
    return this.#replica.store.read((snapshot) => this.#replica.table.read(snapshot, place))
  }

  #shown(transaction: Transaction, place: Place): (Version & { readonly value: EntryValue }) | undefined {
    return shownVersion(this.#replica.table.read(transaction, place))
  }

  #change<T>(
    place: Place,
    fn: (transaction: Transaction, before: (Version & { readonly value: EntryValue }) | undefined) => T,
  ): Promise<T> {
    return this.#replica.change((transaction, tell) => {
      const result = fn(transaction, this.#shown(transaction, place))
      tell(place)
      return result
    })
  }

  #checkBase(
    transaction: Transaction,
    place: Place,
    { before, options: { base, isKnown } }: { readonly before: Version | undefined; readonly options: ChangeOptions },
  ): void {
    if (base === undefined) {
      if (
        before === undefined ||
        isKnown?.(before) === true ||
        this.#replica.table.policy(transaction, this.volume).onConflict !== 'cas'
      )
        return
      throw stale(
        `"${nameOf(place.path)}" is there, and this volume takes a change of it only over a version that is named`,
        before,
      )
    }
    const isBase = base === 'absent' ? before === undefined : before !== undefined && isSameDot(before, base)
    if (!isBase) throw stale(`"${nameOf(place.path)}" has another version than the change was made over`, before)
  }

  #lost(transaction: Transaction, place: Place, { path, dot }: { readonly path: string; readonly dot: Dot }): Version {
    const lost = this.#replica.table.read(transaction, place).versions.find((version, at) => at > 0 && isSameDot(version, dot))
    if (lost === undefined) throw new ShoalError('NOT_FOUND', `"${path}" has no version "${formatDot(dot)}" that lost`)
    return lost
  }

  /** Runs `fn` for each entry shown below a prefix, in steps. */
  async #eachBelow(
    prefix: string,
    fn: (transaction: Transaction, place: Place, tell: (place: Place) => void) => void,
  ): Promise<void> {
    for (let from: string | undefined = prefix; from !== undefined;) {
      const begin: string = from
      from = await this.#replica.change((transaction, tell) => {
        const { start, end } = placeRange('e', { volume: this.volume, prefix, from: begin })
        const rows = [...transaction.range({ start, end, limit: TREE_STEP })].map(({ key }) => readEntryKey(key))
        for (const place of rows) {
          if (this.#shown(transaction, place) === undefined) continue
          fn(transaction, place, tell)
          tell(place)
        }
        const last = rows.length < TREE_STEP ? undefined : rows.at(-1)
        return last === undefined ? undefined : `${last.path}\0`
      })
    }
  }
}

function directoryPath(path: string): string {
  return path.endsWith('/') ? path : `${path}/`
}

function notFound(path: string): ShoalError {
  return new ShoalError('NOT_FOUND', `There is no "${path}"`)
}
