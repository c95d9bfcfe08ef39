import { changedAt, parentOf, type PendingNode, type PendingUnit, pathsOf, waitFor } from './pending-unit.ts'
import { discount, type PendingEntries } from './pending-entries.ts'

/** How later changes make one that the cluster refuses needless. */
interface Fate {
  /** None of them has to be sent, the refused one first. */
  readonly dropped: readonly PendingUnit[]
  /** What removes or replaces what they made, instead of them: it is sent unless nothing is left to be removed. */
  readonly end: PendingUnit
  /** What one of them has taken the place of, which `end` removes or replaces then. */
  readonly replaced: PendingNode | undefined
  readonly isAll: boolean
}

export interface RefusedUnitsOptions {
  readonly entries: PendingEntries
  /** It isn't sent any more; what waited for it waits for what it waited for. */
  readonly forget: (unit: PendingUnit, into?: PendingUnit) => void
  /** What was made there isn't sent. */
  readonly left: (path: string) => void
  /** It may wait for less than before. */
  readonly readied: (unit: PendingUnit) => void
}

/** Units that the cluster refuses, for want of room say, and has nothing of: what is done to the same file later goes with them, or makes
 *  them needless. They wait for nothing, so that what they waited for is done. */
export class RefusedUnits {
  readonly #options: RefusedUnitsOptions

  constructor(options: RefusedUnitsOptions) {
    this.#options = options
  }

  /** Looks at what follows a refused unit. Numbers of changes of which nothing is left to be done. */
  simplify(unit: PendingUnit): readonly number[] {
    this.#absorb(unit)
    const fate = this.#fateOf(unit)
    return fate === undefined ? [] : this.#replace(unit, fate)
  }

  /** A removal doesn't wait for attributes of its directory that wait for something refused: those that it changes itself, its times, are
   *  set to what it makes them. */
  loosen(removal: PendingUnit, timeNs: bigint): void {
    for (const above of removal.after) {
      if (!isAbove('attributes', above, removal) || above.isSent || !holdsRefused(above)) continue
      removal.after.delete(above)
      above.before.delete(removal)
      if (timeNs > 0n) changedAt(above, timeNs)
      this.#options.readied(removal)
    }
  }

  /** The same for all that wait already, by way of a unit that is refused now. */
  loosenBehind(unit: PendingUnit): void {
    for (const above of [...unit.before]) {
      if (above.kind !== 'attributes') continue
      const timeNs = this.#options.entries.changeOf(above.path)?.changedNs ?? 0n
      for (const next of [...above.before]) if (next.kind === 'remove') this.loosen(next, timeNs)
      this.loosenBehind(above)
    }
  }

  /** What was done to the contents or attributes since goes with it. */
  #absorb(unit: PendingUnit): void {
    const { entries, forget } = this.#options
    for (;;) {
      const next = after(entries, unit.path, unit)
      if (unit.kind !== 'file' || next?.kind !== 'file' || next.node !== unit.node || next.isBegun) return
      const { layer } = next
      if (layer !== undefined && unit.layer === undefined) return
      const before = unit.layer?.sizeBytes ?? 0
      if (layer !== undefined) unit.layer?.add(layer)
      unit.changes = { ...unit.changes, ...next.changes }
      unit.numbers.push(...next.numbers)
      unit.isClosed = next.isClosed
      // There may be room for less at once.
      if ((unit.layer?.sizeBytes ?? 0) < before) unit.changedMs = next.changedMs
      for (const later of next.before) waitFor(later, unit)
      entries.leave(next.path, next)
      forget(next, unit)
    }
  }

  #fateOf(unit: PendingUnit): Fate | undefined {
    const { node } = unit
    // What other names of a file show has to be sent all the same.
    if (node.movedTo !== undefined || (node.base?.links ?? 1) > 1) return undefined
    const dropped = [unit]
    const moves: PendingUnit[] = []
    for (let [at, previous] = [unit.path, unit]; ;) {
      const next = after(this.#options.entries, at, previous)
      const replaced = moves.at(-1)?.replaces
      if (next === undefined) return undefined
      const isOver = next.kind === 'rename' && next.to === at && next.replaces === node
      if (isOver || (next.kind === 'remove' && next.node === node)) {
        const isAll = next.kind === 'remove' && node.base === undefined && replaced === undefined
        const fate = { dropped, end: next, replaced, isAll }
        return this.#isReplaceable(fate, moves) ? fate : undefined
      }
      if (next.node !== node) return undefined
      dropped.push(next)
      previous = next
      if (next.kind !== 'rename') continue
      // Two names are free then, of which one was taken from something else.
      if (replaced !== undefined) return undefined
      moves.push(next)
      at = next.to as string
    }
  }

  #isReplaceable({ dropped, end, replaced }: Fate, moves: readonly PendingUnit[]): boolean {
    const [unit] = dropped as readonly [PendingUnit]
    // Of a file that the cluster has, the removal goes where it lies there, if nothing else is going to lie there.
    const isBack = unit.node.base !== undefined && moves.length > 0
    if (isBack && (end.kind !== 'remove' || replaced !== undefined || this.#options.entries.last(unit.path) !== moves[0]))
      return false
    const isReleased = (later: PendingUnit, one: PendingUnit): boolean =>
      isAbove('attributes', later, one) || (!isBack && isAbove('remove', later, one))
    return dropped.every((one) =>
      [...one.before].every((later) => later === end || dropped.includes(later) || isReleased(later, one)),
    )
  }

  #replace(unit: PendingUnit, { dropped, end, replaced, isAll }: Fate): readonly number[] {
    const { entries, forget, readied, left } = this.#options
    const gone = isAll ? [...dropped, end] : dropped
    const numbers = gone.flatMap((one) => one.numbers)
    for (const one of gone.toReversed()) {
      for (const path of pathsOf(one)) {
        left(path)
        entries.leave(path, one)
      }
      discount(one)
      forget(one)
    }
    if (isAll) return numbers
    // Sent together, they are read as one again.
    end.numbers.unshift(...numbers)
    if (end.kind === 'rename') {
      if (unit.node.base === undefined) end.replaces = replaced
    } else if (replaced !== undefined) {
      end.node.pending -= 1
      end.node = replaced
      replaced.pending += 1
    } else if (end.path !== unit.path) {
      entries.leave(end.path, end)
      end.path = unit.path
      entries.enter(end.path, end)
      entries.place(end.path, undefined, end)
    }
    readied(end)
    return []
  }
}

function after(entries: PendingEntries, path: string, unit: PendingUnit): PendingUnit | undefined {
  const units = entries.get(path)?.units ?? []
  const at = units.indexOf(unit)
  return at < 0 ? undefined : units[at + 1]
}

/** Of the directory in which a unit changes something. */
function isAbove(kind: 'attributes' | 'remove', unit: PendingUnit, changed: PendingUnit): boolean {
  return unit.kind === kind && pathsOf(changed).some((path) => parentOf(path) === unit.path)
}

function holdsRefused(unit: PendingUnit): boolean {
  for (const one of unit.after) if (one.node.refused === one || (one.kind === 'attributes' && holdsRefused(one))) return true
  return false
}
