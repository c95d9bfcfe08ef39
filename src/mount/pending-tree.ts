import { assert } from '#foundation/assert.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'
import { type ContentLayer, layerOver, sizesWithLayers } from './content-layer.ts'
import type { Change, JournalChange } from './journal-record.ts'
import { discount, type FolderChange, PendingEntries } from './pending-entries.ts'
import { ReadyUnits } from './ready-units.ts'
import { adoptedNode, madeNode } from './pending-node.ts'
import { changedAt, isAs, isOpen, joined, type MadeUnit, newUnit, parentOf, pathsOf, waitFor } from './pending-unit.ts'
import type { ChangeFacts, PendingEntry, PendingNode, PendingTreeOptions, PendingUnit, UnitKind } from './pending-unit.ts'
import { RefusedUnits } from './refused-units.ts'

/** What the cluster hasn't got yet of what this mount has changed: what lies where, and in which units it is sent. Pure: it is
 *  made anew out of the journal. */
export class PendingTree {
  readonly #entries = new PendingEntries()
  readonly #ready = new ReadyUnits()
  readonly #units = new Set<PendingUnit>()
  /** The first unit of what was under way together when an earlier mount ended. */
  readonly #groups = new Map<number, PendingUnit>()
  readonly #refused = new RefusedUnits({
    entries: this.#entries,
    forget: (unit, into) => this.#forget(unit, into),
    readied: (unit) => this.#readied(unit),
    left: (path) => this.#left(path),
  })
  readonly #onWithdrawn: NonNullable<PendingTreeOptions['onWithdrawn']>
  readonly #onLeft: (folder: string, timeNs: bigint) => void
  #lastId = 0

  constructor({ onWithdrawn = () => undefined, onLeft = () => undefined }: PendingTreeOptions = {}) {
    this.#onWithdrawn = onWithdrawn
    this.#onLeft = onLeft
  }

  /** Units that aren't done. */
  get size(): number {
    return this.#units.size
  }

  get units(): Iterable<PendingUnit> {
    return this.#units
  }

  /** `unknown`: the cluster has the word. */
  find(path: string): PendingNode | 'absent' | 'unknown' {
    // Who only reads asks for each file that he opens.
    if (this.#entries.isEmpty) return 'unknown'
    const entry = this.#entries.get(path)
    if (entry !== undefined) return entry.node ?? 'absent'
    for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
      const there = this.#entries.get(above)
      if (there === undefined) continue
      const isNowhere = there.node === undefined || there.node.attributes.type !== 'directory' || there.node.base === undefined
      return isNowhere ? 'absent' : 'unknown'
    }
    return 'unknown'
  }

  /** By path, what was changed in a directory. */
  changedIn(folder: string): ReadonlyMap<string, PendingEntry> {
    return this.#entries.in(folder)
  }

  /** How what is pending in a directory changes the directory. */
  changeOf(folder: string): FolderChange | undefined {
    return this.#entries.changeOf(folder)
  }

  /** The unit that has to be done before the cluster has all that was changed at `path`. */
  lastAt(path: string): PendingUnit | undefined {
    return this.#entries.last(path)
  }

  /** Names in a directory, of which something isn't done. */
  unitsIn(folder: string): ReadonlySet<PendingUnit> {
    return this.#entries.unitsIn(folder)
  }

  /** Whether it is known of what a change changes what that was. */
  canApply(change: JournalChange): boolean {
    if (change.op === 'create' || change.op === 'mkdir' || change.op === 'symlink') return true
    const isKnown = (path: string, base: Attributes | undefined): boolean =>
      base !== undefined || this.#entries.get(path)?.node !== undefined
    if (change.op === 'rename' && change.replaces !== undefined && !isKnown(change.to, change.replaces.base)) return false
    return isKnown(change.path, change.base)
  }

  /** Whether a file has these attributes already, and something of it is about to be sent: then its change time alone is changed, which
   *  the cluster sets anew. */
  retouch(path: string, changes: AttributeChanges, timeNs: bigint): boolean {
    const node = this.#entries.get(path)?.node
    const last = this.#entries.last(path)
    if (node === undefined || last?.node !== node || last.kind !== 'file' || last.isSent) return false
    if (!isAs(node, changes)) return false
    node.attributes = { ...node.attributes, ctimeNs: timeNs }
    return true
  }

  /** Takes a change in. Numbers of changes that need nothing done any more: what was made and removed again.
   *  @throws CORRUPT for a change to a file of which nothing is known */
  apply(change: JournalChange, facts: ChangeFacts): readonly number[] {
    const needless = this.#applied(change, facts)
    const last = this.#entries.last(change.op === 'rename' ? change.to : change.path)
    if (last === undefined) return needless
    // What was sent together has become one before.
    const first = new Set([last.node.refused, last.replaces?.refused, this.#groups.get(facts.group ?? -1)])
    if (change.op === 'remove') first.add(this.#unsent(last, facts))
    return [
      ...needless,
      ...[...first].flatMap((unit) => (unit === undefined || unit === last ? [] : this.#refused.simplify(unit))),
    ]
  }

  /** What is removed, if nothing of it has been sent. */
  #unsent(removal: PendingUnit, { group }: ChangeFacts): PendingUnit | undefined {
    const first = this.#entries.get(removal.path)?.units.find(({ node }) => node === removal.node)
    return first === undefined || first.isSent || first.kind === 'rename' || first.group !== group ? undefined : first
  }

  #applied(change: JournalChange, facts: ChangeFacts): readonly number[] {
    switch (change.op) {
      case 'create':
      case 'mkdir':
      case 'symlink':
        this.#make(change, facts)
        return []
      case 'write':
      case 'truncate':
        this.#changeContents(change, facts)
        return []
      case 'attributes':
        this.#changeAttributes(change, facts)
        return []
      case 'remove':
        return this.#remove(change, facts)
      case 'rename':
        this.#rename(change, facts)
        return []
    }
  }

  /** Units to be sent now; theirs is the caller's `done` or `retry`. */
  take(...wanted: Parameters<ReadyUnits['take']>): PendingUnit[] {
    const taken = this.#ready.take(...wanted)
    for (const { node } of taken) node.refused = undefined
    return taken
  }

  /** When the next unit is to be sent, if nothing is done until then. */
  nextMs(): number | undefined {
    return this.#ready.nextMs()
  }

  /** Has a unit, and what it waits for, sent without further ado. */
  hasten(unit: PendingUnit): void {
    const open = [unit]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.isUrgent) continue
      next.isUrgent = true
      open.push(...next.after)
    }
  }

  /** The cluster has it; `entry` is what it says of the node now. What isn't pending any more is given back. */
  done(unit: PendingUnit, entry: Attributes | undefined): PendingEntry[] {
    const { node } = unit
    if (unit.kind !== 'remove' && entry !== undefined) node.base = entry
    if (unit.isMaking) node.storedAt = unit.path
    if (unit.kind === 'rename') node.storedAt = unit.to as string
    this.#entries.counted(unit)
    if (unit.layer !== undefined) assert(node.layers.shift() === unit.layer, 'Layers are sent in their order')
    return this.#drop(unit)
  }

  /** It could not be sent, and is tried again from `atMs` on. */
  retry(unit: PendingUnit, atMs: number): void {
    unit.changedMs = atMs
    unit.isUrgent = false
    this.#ready.add(unit)
  }

  /** The cluster has refused it, and has nothing of it but what its node says: it is tried again from `atMs` on, with what is done to the
   *  same file until then. Numbers of changes that need nothing done any more. */
  refused(unit: PendingUnit, atMs: number): readonly number[] {
    this.retry(unit, atMs)
    unit.node.refused = unit
    const needless = this.#refused.simplify(unit)
    if (this.#units.has(unit)) this.#refused.loosenBehind(unit)
    return needless
  }

  #make(change: Change<'create' | 'mkdir' | 'symlink'>, facts: ChangeFacts): void {
    const { path, mode, uid, gid, timeNs } = change
    const node = madeNode(change)
    const unit = this.#unit(change.op === 'create' ? 'file' : change.op, { node, path, facts, isMaking: true })
    unit.changes = { mode, uid, gid, mtimeNs: timeNs }
    if (change.op === 'create') this.#layerOf(unit)
    this.#entries.place(path, node, unit)
    this.#entries.changed(path, timeNs)
    this.#entries.count(unit)
  }

  #changeContents(change: Change<'write' | 'truncate'>, facts: ChangeFacts): void {
    const node = this.#nodeOf(change)
    const unit = this.#fileUnit(change.path, node, facts)
    const layer = this.#layerOf(unit)
    unit.isClosed = false
    if (change.op === 'truncate') layer.truncate(change.sizeBytes)
    else {
      assert(facts.place !== undefined, 'Written bytes lie in the journal')
      layer.write({ offset: change.offset, length: change.length, place: facts.place })
    }
    const { timeNs } = change
    unit.changes = { ...unit.changes, mtimeNs: timeNs }
    const version = node.attributes.version + 1
    node.attributes = {
      ...node.attributes,
      ...{ ...sizesWithLayers(node), mtimeNs: timeNs, ctimeNs: timeNs, version, sha256: undefined },
    }
  }

  #changeAttributes(change: Change<'attributes'>, facts: ChangeFacts): void {
    const node = this.#nodeOf(change)
    const isFile = node.attributes.type === 'file'
    const unit = isFile ? this.#fileUnit(change.path, node, facts) : this.#attributesUnit(change.path, node, facts)
    unit.changes = { ...unit.changes, ...change.changes }
    if (!isFile && change.changes.mtimeNs !== undefined) this.#entries.timesSet(change.path)
    node.attributes = { ...node.attributes, ...change.changes, ctimeNs: change.timeNs }
  }

  #remove(change: Change<'remove'>, facts: ChangeFacts): readonly number[] {
    const { path } = change
    const node = this.#nodeOf(change)
    const last = this.#entries.last(path)
    const isNeedless = last?.node === node && isOpen(last, facts.group) && this.#entries.unitsIn(path).size === 0
    this.#entries.changed(path, change.timeNs)
    if (isNeedless && last.isMaking) {
      discount(last)
      this.#withdraw(last, path)
      this.#forget(last)
      return [...last.numbers, facts.number]
    }
    // What other names of a file show has to be sent all the same.
    const isReplaced = isNeedless && last.kind === 'file' && (node.base?.links ?? 1) === 1
    if (isReplaced) {
      this.#withdraw(last, path)
      this.#forget(last)
    }
    const inside = node.attributes.type === 'directory' ? this.#entries.unitsIn(path) : []
    const unit = this.#unit('remove', { node, path, facts, after: inside })
    if (isReplaced) unit.numbers.unshift(...last.numbers)
    this.#refused.loosen(unit, change.timeNs)
    this.#entries.place(path, undefined, unit)
    this.#entries.count(unit)
    if (node.attributes.type === 'directory') this.#entries.removed(path)
    return []
  }

  #rename(change: Change<'rename'>, facts: ChangeFacts): void {
    const { path, to, replaces } = change
    const node = this.#nodeOf(change)
    const there = this.#entries.get(to)?.node
    const replaced = there ?? (replaces === undefined ? undefined : adoptedNode({ ...replaces, path: to }))
    const last = this.#entries.last(path)
    if (last !== undefined && replaced === undefined && this.#mayMove(last, { node, to, facts })) {
      this.#withdraw(last, path)
      last.path = to
      last.numbers.push(facts.number)
      last.changedMs = facts.atMs
      this.#enter(last, [to])
      this.#entries.place(to, node, last)
    } else {
      const unit = this.#unit('rename', { node, path, to, replaces: replaced, facts })
      this.#entries.place(path, undefined, unit)
      this.#entries.place(to, node, unit)
    }
    node.attributes = { ...node.attributes, ctimeNs: change.timeNs }
    for (const at of [path, to]) if (this.#entries.in(parentOf(at)).size > 0) this.#entries.changed(at, change.timeNs)
  }

  /** What is new and not sent yet is made at its new place at once, if it waits for nothing that was changed later. */
  #mayMove(
    last: PendingUnit,
    { node, to, facts }: { readonly node: PendingNode; readonly to: string; readonly facts: ChangeFacts },
  ): boolean {
    if (last.node !== node || !isOpen(last, facts.group) || !last.isMaking || last.isBegun) return false
    if (node.attributes.type === 'directory') return false
    if (this.#entries.get(to) !== undefined) return false
    const above = this.#entries.last(parentOf(to))
    return above === undefined || above.id < last.id
  }

  #nodeOf(change: Change<'write' | 'truncate' | 'attributes' | 'remove' | 'rename'>): PendingNode {
    return this.#entries.get(change.path)?.node ?? adoptedNode(change)
  }

  /** What further changes of a file go with: the unit that waits already, or a new one. */
  #fileUnit(path: string, node: PendingNode, facts: ChangeFacts): PendingUnit {
    const last = this.#entries.last(path)
    if (last?.kind === 'file' && isOpen(last, facts.group)) return joined(last, facts)
    const unit = this.#unit('file', { node, path, facts })
    this.#entries.place(path, node, unit)
    return unit
  }

  /** A directory gets its attributes after what was made in it before, which changes its times. */
  #attributesUnit(path: string, node: PendingNode, facts: ChangeFacts): PendingUnit {
    const last = this.#entries.last(path)
    const inside = this.#entries.unitsIn(path)
    if (last !== undefined && isOpen(last, facts.group) && last.kind !== 'rename' && last.kind !== 'remove') {
      if ([...inside].every((unit) => last.after.has(unit))) return joined(last, facts)
    }
    const unit = this.#unit('attributes', { node, path, facts, after: inside })
    this.#entries.place(path, node, unit)
    return unit
  }

  #layerOf(unit: PendingUnit): ContentLayer {
    if (unit.layer === undefined) {
      unit.layer = layerOver(unit.node)
      unit.node.layers.push(unit.layer)
    }
    return unit.layer
  }

  #unit(kind: UnitKind, made: Omit<MadeUnit, 'kind'> & { readonly after?: Iterable<PendingUnit> }): PendingUnit {
    const { node, facts, after = [] } = made
    this.#lastId += 1
    const unit = newUnit(this.#lastId, { ...made, kind })
    this.#units.add(unit)
    if (facts.group !== undefined && !this.#groups.has(facts.group)) this.#groups.set(facts.group, unit)
    node.pending += 1
    for (const other of after) waitFor(unit, other)
    this.#enter(unit, pathsOf(unit))
    if (unit.after.size === 0) this.#ready.add(unit)
    return unit
  }

  /** It waits for what was changed before at its places and above them. */
  #enter(unit: PendingUnit, paths: readonly string[]): void {
    for (const path of paths) {
      for (const there of [path, parentOf(path)]) {
        const last = this.#entries.last(there)
        if (last !== undefined && last !== unit) waitFor(unit, last)
      }
      this.#entries.enter(path, unit)
    }
    if (unit.after.size > 0) this.#ready.delete(unit)
  }

  /** Takes a unit that isn't sent away from its place: what was there before comes to light, which is nothing. */
  #withdraw(unit: PendingUnit, path: string): void {
    this.#left(path)
    this.#entries.leave(path, unit)
    const entry = this.#entries.get(path)
    if (entry !== undefined) entry.node = undefined
  }

  /** What was made at a path isn't sent: its directory has that time all the same. */
  #left(path: string): void {
    const folder = parentOf(path)
    const timeNs = this.#entries.changeOf(folder)?.changedNs ?? 0n
    if (timeNs > 0n && !changedAt(this.#entries.last(folder), timeNs)) this.#onLeft(folder, timeNs)
  }

  /** It isn't sent any more. */
  #forget(unit: PendingUnit, into?: PendingUnit): void {
    if (unit.layer !== undefined) unit.node.layers.splice(unit.node.layers.indexOf(unit.layer), 1)
    if (unit.node.refused === unit) unit.node.refused = undefined
    for (const next of unit.before) for (const other of unit.after) waitFor(next, other)
    for (const other of unit.after) other.before.delete(unit)
    this.#release(unit)
    this.#onWithdrawn(unit, into)
  }

  #drop(unit: PendingUnit): PendingEntry[] {
    this.#release(unit)
    return pathsOf(unit).flatMap((path) => this.#entries.leave(path, unit) ?? [])
  }

  #release(unit: PendingUnit): void {
    this.#units.delete(unit)
    this.#ready.delete(unit)
    if (unit.group !== undefined && this.#groups.get(unit.group) === unit) this.#groups.delete(unit.group)
    unit.node.pending -= 1
    for (const next of unit.before) {
      next.after.delete(unit)
      this.#readied(next)
    }
  }

  #readied(unit: PendingUnit): void {
    if (unit.after.size === 0 && !unit.isSent) this.#ready.add(unit)
  }
}
