import type { Transaction } from '#kv/store.ts'
import { checkValue, stale } from './check-value.ts'
import { type Dot, type EntryState, type EntryValue, isSameDot, shownVersion, type Version } from './entry.ts'
import { pathBytes, type Place } from './keys.ts'
import { nameOf } from './listing.ts'
import type { Replica } from './replica.ts'
import { listVersions, type VersionPage, type VersionRequest } from './version-listing.ts'

export type ShownVersion = Version & { readonly value: EntryValue }
/** Says of what is shown whether the change may be made; what it throws is what the call throws. */
export type Judge = (shown: ShownVersion | undefined) => void

export interface ObjectPut {
  readonly value: EntryValue
  /** Who judges what is there names what is replaced, as a volume with `cas` asks for. */
  readonly judge?: Judge | undefined
  /** Rows that change in the same step. */
  readonly along?: ((transaction: Transaction) => void) | undefined
}

export interface ObjectRemoval {
  readonly path: string
  /** Takes away this version alone: what it won against is shown then. */
  readonly dot?: Dot | undefined
  /** What isn't counted is not there, for who removes; everything is unless given. */
  readonly counts?: ((value: EntryValue) => boolean) | undefined
  readonly judge?: Judge | undefined
}

/** How many removals share a transaction. */
const REMOVALS_MAX = 256

/** The entries of an eventual volume for a door that knows versions by their dots: each change is one step on this node, and judges what it
 *  finds in that step. @throws INVALID_PATH, NAME_TOO_LONG, TOO_LARGE; PRECONDITION_FAILED; UNAVAILABLE on a node that has not joined yet */
export class ObjectEntries {
  readonly #replica: Replica
  readonly #volume: string

  constructor(replica: Replica, volume: string) {
    this.#replica = replica
    this.#volume = volume
  }

  /** All that is kept of a path, the winner first; removals too. */
  versions(path: string): Promise<readonly Version[]> {
    const place = this.#place(path)
    return this.#replica.store.read((snapshot) => this.#replica.table.read(snapshot, place).versions)
  }

  put(path: string, { value, judge, along }: ObjectPut): Promise<ShownVersion> {
    const place = this.#place(path)
    checkValue(value)
    return this.#replica.change((transaction, tell) => {
      const shown = this.#judged(transaction, place, judge)
      if (shown !== undefined && judge === undefined) this.#refuseBlind(transaction, place, shown)
      along?.(transaction)
      tell(place)
      return { ...this.#replica.table.write(transaction, place, { value }), value }
    })
  }

  /** Changes what is shown; `dot` says which version that has to be. @returns `undefined` if it isn't there */
  change(path: string, dot: Dot | undefined, change: (value: EntryValue) => EntryValue): Promise<ShownVersion | undefined> {
    const place = this.#place(path)
    return this.#replica.change((transaction, tell) => {
      const shown = shownVersion(this.#read(transaction, place))
      if (shown === undefined || (dot !== undefined && !isSameDot(shown, dot))) return undefined
      const value = change(shown.value)
      checkValue(value)
      tell(place)
      return { ...this.#replica.table.write(transaction, place, { value }), value }
    })
  }

  /** Removes each for itself. @returns the version removed, a removal too; `undefined` if there was none; or what was thrown */
  async remove(removals: readonly ObjectRemoval[]): Promise<(Version | undefined | { readonly error: unknown })[]> {
    const results: (Version | undefined | { readonly error: unknown })[] = []
    for (let at = 0; at < removals.length; at += REMOVALS_MAX) {
      const step = removals.slice(at, at + REMOVALS_MAX)
      const places = step.map(({ path }) => this.#place(path))
      const done = await this.#replica.change((transaction, tell) =>
        step.map((removal, index) => {
          const place = places[index] as Place
          try {
            const removed = transaction.attempt(() => this.#removeOne(transaction, place, removal))
            if (removed !== undefined) tell(place)
            return removed
          } catch (error) {
            return { error }
          }
        }),
      )
      results.push(...done)
    }
    return results
  }

  /** A page of all versions, also those that lost, and removals that won over some. */
  list(request: VersionRequest): Promise<VersionPage> {
    return this.#replica.store.read((snapshot) => listVersions(snapshot, this.#volume, request))
  }

  #removeOne(transaction: Transaction, place: Place, { dot, counts, judge }: ObjectRemoval): Version | undefined {
    const { table } = this.#replica
    if (dot !== undefined) {
      const { versions } = this.#read(transaction, place)
      const version = versions.find((each) => isSameDot(each, dot))
      if (version === undefined) return undefined
      judge?.(version.value === undefined ? undefined : { ...version, value: version.value })
      // Of the last one a removal is left, which others hear of.
      if (versions.length === 1) table.write(transaction, place, { value: undefined })
      else table.drop(transaction, place, (each) => isSameDot(each, dot))
      return version
    }
    const shown = this.#judged(transaction, place, judge)
    if (shown === undefined || counts?.(shown.value) === false) return undefined
    if (judge === undefined) this.#refuseBlind(transaction, place, shown)
    table.write(transaction, place, { value: undefined })
    return shown
  }

  #judged(transaction: Transaction, place: Place, judge: Judge | undefined): ShownVersion | undefined {
    const shown = shownVersion(this.#read(transaction, place))
    judge?.(shown)
    return shown
  }

  #refuseBlind(transaction: Transaction, { volume, path }: Place, shown: Version): void {
    if (this.#replica.table.policy(transaction, volume).onConflict !== 'cas') return
    throw stale(`"${nameOf(path)}" is there, and this volume takes a change of it only over a version that is named`, shown)
  }

  #read(transaction: Transaction, place: Place): EntryState {
    return this.#replica.table.read(transaction, place)
  }

  #place(path: string): Place {
    return { volume: this.#volume, path: pathBytes(path) }
  }
}
