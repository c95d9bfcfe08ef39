import { assert } from '#foundation/assert.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'
import type { ContentLayer, JournalPlace } from './content-layer.ts'

/** A change that follows another of the same file soon goes with it: a file that is made, written, closed and given its times is
 *  one request. */
export const QUIET_MS = 20
const QUIET_MS_MAX = 500
/** Of a file that is written anew, is that long already and wasn't closed: what is sent of it too early is a version of its own, and the
 *  rest of it is sent in pieces. */
const LONG_BYTES = 1024 * 1024
const OPEN_QUIET_MS = 500
const OPEN_MS_MAX = 5_000

/** A file, directory or link of which something isn't in the cluster yet. */
export interface PendingNode {
  /** The number under which the mount shows it. */
  readonly inode: InodeId
  /** As the mount shows it. */
  attributes: Attributes
  /** What the cluster has of it; `undefined`: it is new. */
  base: Attributes | undefined
  /** Its contents over those that the cluster has: what is being sent first. */
  readonly layers: ContentLayer[]
  /** Of a symbolic link. */
  readonly target: Buffer | undefined
  /** Where the mount shows it, and where the cluster has it. */
  path: string
  storedAt: string
  /** Units of it that aren't done. */
  pending: number
  /** The one that the cluster has refused, and has nothing of, until it is sent again. */
  refused: PendingUnit | undefined
  /** It lost against somebody else's, and lies there: further changes follow it. */
  movedTo: string | undefined
}

/** How many links more a directory has than in the cluster. */
export interface LinkCount {
  links: number
  /** Of which these many units make or remove one each. */
  units: number
}

export type UnitKind = 'file' | 'mkdir' | 'symlink' | 'attributes' | 'remove' | 'rename'

/** What goes to the cluster in one step: one or more changes of the journal to one node. */
export interface PendingUnit {
  /** A unit waits only for those with smaller numbers. */
  readonly id: number
  readonly kind: UnitKind
  /** The cluster hasn't got the node before. */
  readonly isMaking: boolean
  node: PendingNode
  path: string
  /** Of a renaming. */
  readonly to: string | undefined
  /** What a renaming replaces. */
  replaces: PendingNode | undefined
  layer: ContentLayer | undefined
  changes: AttributeChanges
  /** Where it is counted that it makes or removes a directory. */
  countedIn: LinkCount | undefined
  /** Changes of the journal that are done with it. */
  readonly numbers: number[]
  readonly madeMs: number
  changedMs: number
  isUrgent: boolean
  /** Units of an earlier mount that were under way when it ended take nothing more in: the cluster may have them as they are. */
  readonly group: number | undefined
  isSent: boolean
  /** Parts of it have been sent: it stays at its place. */
  isBegun: boolean
  /** Nobody has written to the file since it was closed. */
  isClosed: boolean
  /** What has to be done before. */
  readonly after: Set<PendingUnit>
  readonly before: Set<PendingUnit>
}

/** What lies at a path as far as this mount has changed it. */
export interface PendingEntry {
  readonly path: string
  /** `undefined`: nothing lies there any more. */
  node: PendingNode | undefined
  /** Those that aren't done, in their order. */
  readonly units: PendingUnit[]
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** The one isn't sent before the other is done. */
export function waitFor(unit: PendingUnit, earlier: PendingUnit): void {
  if (earlier === unit) return
  assert(earlier.id < unit.id, 'A unit waits for earlier ones only')
  unit.after.add(earlier)
  earlier.before.add(unit)
}

/** The names that it changes. */
export function pathsOf({ path, to }: PendingUnit): readonly string[] {
  return to === undefined ? [path] : [path, to]
}

/** Something was changed in a directory, of which the cluster isn't told by itself: whether a unit that makes the directory, or gives it other
 *  attributes, takes the time along. */
export function changedAt(unit: PendingUnit | undefined, timeNs: bigint): boolean {
  if (unit === undefined || unit.isSent || (unit.kind !== 'mkdir' && unit.kind !== 'attributes')) return false
  unit.changes = { ...unit.changes, mtimeNs: timeNs }
  unit.node.attributes = { ...unit.node.attributes, mtimeNs: timeNs, ctimeNs: timeNs }
  return true
}

/** From when on a unit is sent. */
export function dueMs({ isUrgent, isBegun, isClosed, changedMs, madeMs, layer }: PendingUnit): number {
  if (isUrgent) return 0
  const isLong = !isClosed && layer?.isWhole === true && layer.sizeBytes > LONG_BYTES
  const quietMs = changedMs + (isLong ? OPEN_QUIET_MS : QUIET_MS)
  return isBegun ? quietMs : Math.min(quietMs, Math.max(changedMs, madeMs + (isLong ? OPEN_MS_MAX : QUIET_MS_MAX)))
}

/** More can go with it, of what was under way together when an earlier mount ended, or of what is new. */
export function isOpen(unit: PendingUnit, group: number | undefined): boolean {
  return !unit.isSent && unit.before.size === 0 && unit.group === group
}

/** Whether a node has these attributes already. */
export function isAs({ attributes }: PendingNode, changes: AttributeChanges): boolean {
  return Object.entries(changes).every(([name, value]) => value === undefined || value === attributes[name as keyof Attributes])
}

/** The unit, with one more change of the journal. */
export function joined(unit: PendingUnit, { number, atMs }: { readonly number: number; readonly atMs: number }): PendingUnit {
  unit.numbers.push(number)
  unit.changedMs = atMs
  return unit
}

export interface PendingTreeOptions {
  /** Hears of units that aren't sent, since what they made or wrote is removed again, or goes with another one. */
  readonly onWithdrawn?: (unit: PendingUnit, into: PendingUnit | undefined) => void
  /** Something that was made in a directory isn't sent, nor anything else that tells of when that was changed. */
  readonly onLeft?: (folder: string, timeNs: bigint) => void
}

export interface ChangeFacts {
  readonly number: number
  readonly atMs: number
  /** Of a write. */
  readonly place?: JournalPlace
  /** What was under way together when an earlier mount ended. */
  readonly group?: number | undefined
}

export interface MadeUnit {
  readonly kind: UnitKind
  readonly node: PendingNode
  readonly path: string
  readonly to?: string | undefined
  readonly replaces?: PendingNode | undefined
  /** Of the change that it is made for. */
  readonly facts: ChangeFacts
  readonly isMaking?: boolean
}

export function newUnit(id: number, { kind, node, path, to, replaces, facts, isMaking }: MadeUnit): PendingUnit {
  return {
    ...{ id, kind, node, path, to, replaces, layer: undefined, changes: {}, countedIn: undefined },
    isMaking: isMaking === true,
    ...{ numbers: [facts.number], madeMs: facts.atMs, changedMs: facts.atMs, group: facts.group },
    ...{ isUrgent: false, isSent: false, isBegun: false, isClosed: false },
    ...{ after: new Set<PendingUnit>(), before: new Set<PendingUnit>() },
  }
}

/** The last unit at a path, if there is one. */
export function last(tree: { lastAt(path: string): PendingUnit | undefined }, path: string): readonly PendingUnit[] {
  const unit = tree.lastAt(path)
  return unit === undefined ? [] : [unit]
}
