import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { contentPieces } from './content-layer.ts'
import { decodeRecord, encodeRecord, type JournalChange } from './journal-record.ts'
import { parentOf, type PendingUnit } from './pending-unit.ts'
import { PendingTree } from './pending-tree.ts'

interface ModelNode {
  readonly type: 'file' | 'directory'
  bytes: Buffer
  mode: number
}
type Model = Map<string, ModelNode>

/** A cluster that refuses whatever comes too soon. */
class Cluster {
  readonly nodes = new Map<string, ModelNode & { inode: number; version: number }>()
  #lastInode = 100

  attributes(path: string): Attributes {
    const { type, bytes, mode, inode, version } = this.#need(path)
    const times = { atimeNs: 1n, mtimeNs: 1n, ctimeNs: 1n, btimeNs: 1n }
    const owner = { uid: 0, gid: 0, rdev: 0, sha256: undefined }
    return { inode: inode as InodeId, type, mode, ...owner, links: 1, sizeBytes: bytes.length, ...times, version }
  }

  apply(unit: PendingUnit, journal: Buffer): Attributes | undefined {
    const { kind, path, node, to, replaces, layer, changes } = unit
    if (kind === 'remove') {
      assert.equal(this.#need(path).inode, node.base?.inode)
      assert.ok(![...this.nodes.keys()].some((other) => parentOf(other) === path), 'The directory is not empty')
      this.nodes.delete(path)
      return undefined
    }
    if (kind === 'rename') {
      const moved = this.#need(path)
      assert.equal(this.nodes.get(to as string)?.inode, replaces?.base?.inode)
      this.nodes.delete(path)
      this.nodes.set(to as string, moved)
      return this.attributes(to as string)
    }
    if (unit.isMaking) this.#make(path, kind === 'mkdir' ? 'directory' : 'file')
    const there = this.#need(path)
    if (!unit.isMaking) assert.deepEqual([there.inode, there.version], [node.base?.inode, node.base?.version])
    if (layer !== undefined) {
      const range = { offset: 0, length: layer.sizeBytes }
      there.bytes = bytesOf(contentPieces([layer], range), { base: there.bytes, journal })
      there.version += 1
    }
    there.mode = changes.mode ?? there.mode
    return this.attributes(path)
  }

  /** What was there before anything is changed. */
  seed(path: string, type: 'file' | 'directory'): void {
    this.#make(path, type)
    const node = this.#need(path)
    node.bytes = Buffer.from(type === 'file' ? path : '')
    node.version = 1
  }

  #make(path: string, type: 'file' | 'directory'): void {
    assert.ok(parentOf(path) === '' || this.#need(parentOf(path)).type === 'directory')
    assert.ok(!this.nodes.has(path), `${path} is there`)
    this.#lastInode += 1
    this.nodes.set(path, { type, bytes: Buffer.alloc(0), mode: 0, inode: this.#lastInode, version: 0 })
  }

  #need(path: string) {
    const node = this.nodes.get(path)
    assert.ok(node, `${path} is missing`)
    return node
  }
}

function bytesOf(pieces: ReturnType<typeof contentPieces>, from: { readonly base: Buffer; readonly journal: Buffer }): Buffer {
  return Buffer.concat(
    pieces.map((piece) => {
      if (piece.kind === 'zeros') return Buffer.alloc(piece.length)
      if (piece.kind === 'base') return from.base.subarray(piece.offset, piece.offset + piece.length)
      return from.journal.subarray(piece.place.position, piece.place.position + piece.length)
    }),
  )
}

/** A mount over a cluster, as far as its tree goes. */
class Mount {
  readonly cluster: Cluster
  tree = new PendingTree()
  readonly model: Model = new Map()
  journal = Buffer.alloc(0)
  #records: { readonly number: number; readonly change: JournalChange; readonly position: number }[] = []
  readonly #taken = new Map<PendingUnit, readonly number[]>()
  readonly #settled = new Set<number>()
  readonly #bases = new Map<number, Attributes>()
  /** What was sent together. */
  readonly #groups = new Map<number, number>()
  #lastNumber = 0
  #lastInode = 1_000_000
  #nowMs = 0

  constructor(cluster = new Cluster()) {
    this.cluster = cluster
    for (const [path, { type, bytes, mode }] of cluster.nodes) this.model.set(path, { type, bytes, mode })
  }

  do(change: object, bytes = Buffer.alloc(0)): void {
    this.#lastNumber += 1
    const record = { number: this.#lastNumber, change: { timeNs: 5n, ...change } as JournalChange }
    const position = this.journal.length
    this.journal = Buffer.concat([this.journal, bytes])
    this.#records.push({ ...(decodeRecord(Buffer.from(encodeRecord(record))) as typeof record), position })
    this.#apply(record, position)
  }

  #apply(record: { readonly number: number; readonly change: JournalChange }, position: number, isRead = false): void {
    this.#nowMs += 7
    const group = isRead ? this.#groups.get(record.number) : undefined
    const facts = { number: record.number, atMs: this.#nowMs, place: { segment: 1, position }, group }
    for (const number of this.tree.apply(record.change, facts)) this.#settled.add(number)
  }

  newInode(): number {
    this.#lastInode += 1
    return this.#lastInode
  }

  /** The number and, if it must be told, the base of what lies at a path. */
  touched(path: string): object {
    const node = this.tree.find(path)
    if (typeof node !== 'string') return { path, inode: node.inode }
    const base = this.cluster.attributes(path)
    return { path, inode: base.inode, base }
  }

  take(limit: number): PendingUnit[] {
    this.#nowMs += 10
    const units = this.tree.take(this.#nowMs, { atLeast: 1, atMost: limit })
    for (const unit of units) {
      this.#taken.set(unit, [...unit.numbers])
      for (const number of unit.numbers) this.#groups.set(number, unit.numbers[0] as number)
    }
    return units
  }

  send(unit: PendingUnit): void {
    assert.deepEqual(unit.numbers, this.#taken.get(unit), 'What is under way doesn’t change')
    const entry = this.cluster.apply(unit, this.journal)
    this.tree.done(unit, entry)
    for (const number of unit.numbers) this.#settled.add(number)
    if (entry !== undefined) this.#bases.set(unit.node.inode, entry)
  }

  /** There is no room for it. */
  refuse(unit: PendingUnit): void {
    for (const number of this.tree.refused(unit, this.#nowMs + 15)) this.#settled.add(number)
  }

  /** The process dies, and another one reads the journal. */
  restart(): void {
    this.tree = new PendingTree()
    for (const { number, change, position } of this.#records) {
      if (this.#settled.has(number)) continue
      this.#apply({ number, change: withBases(change, this.#bases) }, position, true)
    }
  }

  check(): void {
    for (const path of PATHS) {
      const shown = this.#shown(path)
      const expected = this.model.get(path)
      assert.deepEqual(shown, expected === undefined ? undefined : { ...expected }, path)
    }
  }

  #shown(path: string): ModelNode | undefined {
    const node = this.tree.find(path)
    const there = this.cluster.nodes.get(path)
    if (node === 'absent') return undefined
    if (node === 'unknown') return there === undefined ? undefined : { type: there.type, bytes: there.bytes, mode: there.mode }
    const { type, mode, sizeBytes } = node.attributes
    // Wherever it lies by now, the cluster has it by its inode.
    const stored = [...this.cluster.nodes.values()].find(({ inode }) => inode === node.base?.inode)
    const pieces = type === 'file' ? contentPieces(node.layers, { offset: 0, length: sizeBytes }) : []
    const bytes = bytesOf(pieces, { base: stored?.bytes ?? Buffer.alloc(0), journal: this.journal })
    return { type: type as ModelNode['type'], bytes, mode }
  }
}

/** As a restarted mount reads the journal: what the cluster was last heard to have is the base. */
function withBases(change: JournalChange, bases: ReadonlyMap<number, Attributes>): JournalChange {
  const base = bases.get(change.inode) ?? change.base
  const based = base === undefined ? change : { ...change, base }
  if (based.op !== 'rename' || based.replaces === undefined) return based
  const replaced = bases.get(based.replaces.inode) ?? based.replaces.base
  return { ...based, replaces: { ...based.replaces, ...(replaced === undefined ? {} : { base: replaced }) } }
}

const PATHS = ['a', 'b', 'd', 'e', 'd/a', 'd/b', 'd/e', 'd/e/a', 'e/a', 'e/b']
const path = fc.constantFrom(...PATHS)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('create' as const), path }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      path,
      offset: fc.nat(9),
      length: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), path, sizeBytes: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('chmod' as const), path, mode: fc.nat(0o777) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('mkdir' as const), path }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), path }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('rename' as const), path, to: path }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('take' as const), limit: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('refuse' as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function run(mount: Mount, one: Step, underWay: PendingUnit[]): void {
  const { model } = mount
  if (one.kind === 'take') {
    underWay.push(...mount.take(one.limit))
    return
  }
  if (one.kind === 'finish') {
    const [unit] = underWay.splice(one.which % Math.max(1, underWay.length), 1)
    if (unit !== undefined) mount.send(unit)
    return
  }
  if (one.kind === 'refuse') {
    const at = underWay.findIndex((unit, index) => index >= one.which % 2 && (unit.isMaking || unit.layer !== undefined))
    const [unit] = at < 0 ? [] : underWay.splice(at, 1)
    if (unit !== undefined) mount.refuse(unit)
    return
  }
  if (one.kind === 'restart') {
    underWay.length = 0
    mount.restart()
    return
  }
  const there = model.get(one.path)
  const above = parentOf(one.path)
  const isPlaceFree = there === undefined && (above === '' || model.get(above)?.type === 'directory')
  if (one.kind === 'create' || one.kind === 'mkdir') {
    if (!isPlaceFree) return
    mount.do({ op: one.kind, path: one.path, inode: mount.newInode(), mode: 0o700, uid: 0, gid: 0 })
    model.set(one.path, { type: one.kind === 'mkdir' ? 'directory' : 'file', bytes: Buffer.alloc(0), mode: 0o700 })
    return
  }
  if (there === undefined) return
  if (one.kind === 'chmod') {
    mount.do({ op: 'attributes', ...mount.touched(one.path), changes: { mode: one.mode } })
    there.mode = one.mode
    return
  }
  const isEmpty = ![...model.keys()].some((other) => parentOf(other) === one.path)
  if (one.kind === 'remove') {
    if (!isEmpty) return
    mount.do({ op: 'remove', ...mount.touched(one.path) })
    model.delete(one.path)
    return
  }
  if (there.type === 'directory') return
  if (one.kind === 'write') {
    const bytes = Buffer.alloc(one.length, 97 + (mount.journal.length % 26))
    mount.do({ op: 'write', ...mount.touched(one.path), offset: one.offset, length: one.length }, bytes)
    const grown = Buffer.alloc(Math.max(there.bytes.length, one.offset + one.length))
    there.bytes.copy(grown)
    bytes.copy(grown, one.offset)
    there.bytes = grown
  } else if (one.kind === 'truncate') {
    mount.do({ op: 'truncate', ...mount.touched(one.path), sizeBytes: one.sizeBytes })
    const cut = Buffer.alloc(one.sizeBytes)
    there.bytes.copy(cut)
    there.bytes = cut
  } else {
    const target = model.get(one.to)
    const into = parentOf(one.to)
    if (one.to === one.path || target?.type === 'directory' || (into !== '' && model.get(into)?.type !== 'directory')) return
    const replaces = target === undefined ? {} : { replaces: mount.touched(one.to) }
    mount.do({ op: 'rename', ...mount.touched(one.path), to: one.to, ...replaces })
    model.delete(one.path)
    model.set(one.to, there)
  }
}

test('what a mount shows is what was done to it, whatever has been sent, and the cluster ends with it', () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), (isSeeded, steps) => {
      const cluster = new Cluster()
      for (const folder of isSeeded ? ['d', 'e', 'd/e'] : []) cluster.seed(folder, 'directory')
      for (const file of isSeeded ? ['a', 'd/a', 'd/e/a', 'e/b'] : []) cluster.seed(file, 'file')
      const mount = new Mount(cluster)
      const underWay: PendingUnit[] = []
      for (const one of steps) {
        run(mount, one, underWay)
        mount.check()
      }
      for (let turns = 0; mount.tree.size > 0; turns += 1) {
        underWay.push(...mount.take(100))
        const unit = underWay.pop()
        if (unit !== undefined) mount.send(unit)
        assert.ok(turns < 10_000, 'Nothing is ready, and something waits')
        mount.check()
      }
      const stored = [...mount.cluster.nodes].map(([at, { type, bytes, mode }]) => [at, { type, bytes, mode }] as const)
      assert.deepEqual(new Map(stored), mount.model)
      assert.deepEqual([...mount.tree.changedIn('').keys(), ...mount.tree.changedIn('d').keys()], [])
    }),
    { numRuns: 1500 },
  )
})
