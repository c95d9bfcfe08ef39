import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { InodeId } from '#foundation/ids.ts'
import { InodeTable, ROOT_NODE } from './inode-table.ts'

const seen = (inode: number) => ({ inode: inode as InodeId, mode: 0o100644, gid: 0 })

function tableWith(): { table: InodeTable; root: ReturnType<InodeTable['get']> } {
  const table = new InodeTable({ mode: 0o040755, gid: 0 })
  return { table, root: table.get(ROOT_NODE) }
}

test('a directory that moves takes what is in it along', () => {
  const { table, root } = tableWith()
  const a = table.put(root, 'a', seen(10))
  const b = table.put(root, 'b', seen(11))
  const file = table.put(a, 'f', seen(12))
  assert.deepEqual(table.path(file), ['a', 'f'])
  table.move({ parent: root, name: 'a' }, { parent: b, name: 'c' })
  assert.deepEqual(table.path(file), ['b', 'c', 'f'])
  assert.equal(table.at(root, 'a'), undefined)
  assert.equal(table.at(b, 'c'), a)
})

test('a file with two names is one node, and is found by the name that is left', () => {
  const { table, root } = tableWith()
  const file = table.put(root, 'one', seen(10))
  assert.equal(table.put(root, 'two', seen(10)), file)
  table.remove(root, 'one')
  assert.deepEqual(table.path(file), ['two'])
  table.remove(root, 'two')
  assert.throws(() => table.path(file), { message: 'ESTALE' })
})

test('what is seen again where it was is still known by its path, as is all else', () => {
  const { table, root } = tableWith()
  const d = table.put(root, 'd', seen(11))
  const paths = [table.put(d, 'f', seen(10)), d].map((node) => table.path(node))
  assert.equal(table.path(table.put(root, 'd', seen(11))), paths[1])
  assert.equal(table.path(table.put(d, 'f', seen(10))), paths[0])
})

test('a file that others have moved is found where it was seen last, and nowhere once it is there no more', () => {
  const { table, root } = tableWith()
  const d = table.put(root, 'd', seen(11))
  const file = table.put(root, 'f', seen(10))
  table.put(d, 'g', seen(10))
  assert.deepEqual(table.path(file), ['d', 'g'])
  table.put(root, 'f', seen(10))
  assert.deepEqual(table.path(file), ['f'])
  assert.ok(table.misplaced(file))
  assert.deepEqual(table.path(file), ['d', 'g'])
  assert.ok(!table.misplaced(file))
  assert.throws(() => table.path(file), { message: 'ESTALE' })
})

test('what another file has replaced is not taken for it', () => {
  const { table, root } = tableWith()
  const old = table.put(root, 'f', seen(10))
  const young = table.put(root, 'f', seen(11))
  assert.notEqual(old.nodeId, young.nodeId)
  assert.throws(() => table.path(old), { message: 'ESTALE' })
  const other = table.put(root, 'g', seen(12))
  table.move({ parent: root, name: 'g' }, { parent: root, name: 'f' })
  assert.deepEqual(table.path(other), ['f'])
  assert.throws(() => table.path(young), { message: 'ESTALE' })
})

test('an exchange changes two places at once, also where only one was known', () => {
  const { table, root } = tableWith()
  const a = table.put(root, 'a', seen(10))
  const b = table.put(root, 'b', seen(11))
  table.exchange({ parent: root, name: 'a' }, { parent: root, name: 'b' })
  assert.deepEqual([table.path(a), table.path(b)], [['b'], ['a']])
  table.exchange({ parent: root, name: 'a' }, { parent: root, name: 'unknown' })
  assert.deepEqual(table.path(b), ['unknown'])
  assert.equal(table.at(root, 'a'), undefined)
})

test('a node that is parted keeps its number and its path, and the inode gets another number', () => {
  const { table, root } = tableWith()
  const old = table.put(root, 'f', seen(10))
  table.lookedUp(old)
  old.opens = 1
  table.part(old)
  assert.deepEqual([table.find(old.inode), table.at(root, 'f')], [undefined, undefined])
  const young = table.put(root, 'f', seen(10))
  table.lookedUp(young)
  assert.notEqual(young.nodeId, old.nodeId)
  assert.deepEqual([table.path(old), table.path(young), table.get(old.nodeId)], [['f'], ['f'], old])
  old.opens = 0
  table.forget(old.nodeId, 1)
  assert.deepEqual([table.find(young.inode), table.at(root, 'f'), table.size], [young, young, 2])
})

test('a node lives as long as the kernel remembers it or a handle is open, and its number is not used again', () => {
  const { table, root } = tableWith()
  const file = table.put(root, 'f', seen(10))
  table.lookedUp(file)
  table.lookedUp(file)
  file.opens = 1
  table.forget(file.nodeId, 1)
  table.forget(file.nodeId, 1)
  assert.equal(table.size, 2)
  file.opens = 0
  table.drop(file)
  assert.equal(table.size, 1)
  assert.throws(() => table.get(file.nodeId), { message: 'ESTALE' })
  assert.notEqual(table.put(root, 'f', seen(10)).nodeId, file.nodeId)
  table.forget(ROOT_NODE, 1_000_000)
  table.forget(999, 1)
  assert.equal(table.get(ROOT_NODE), root)
})

/** Done to the numbers of inodes, of which there are few: so they have several names, and are in one another's way. */
type Step = {
  readonly kind: 'put' | 'remove' | 'move' | 'exchange' | 'misplaced' | 'part' | 'forget'
  readonly at: readonly number[]
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('put', 'put', 'put', 'remove', 'move', 'exchange', 'misplaced', 'part', 'forget'),
  at: fc.array(fc.nat(5), { minLength: 4, maxLength: 4 }),
})

test('a path that was asked for before is what it would be for who asks for the first time', () => {
  const run = (steps: readonly Step[], onStep: (table: InodeTable) => void): readonly unknown[] => {
    const { table } = tableWith()
    for (const { kind, at } of steps) {
      const nodes = table.all()
      const [one, other] = [nodes[(at[0] as number) % nodes.length], nodes[(at[1] as number) % nodes.length]]
      if (one === undefined || other === undefined) continue
      const [from, to] = [
        { parent: one, name: `n${at[2]}` },
        { parent: other, name: `n${at[3]}` },
      ]
      // Directories have smaller numbers than what lies in them, so that none comes to lie in itself.
      const mayLie = (moved: { readonly inode: number } | undefined, parent: { readonly inode: number }): boolean =>
        moved === undefined || moved.inode > parent.inode
      const inode = 10 + (at[1] as number)
      const [first, second] = [table.at(one, from.name), table.at(other, to.name)]
      if (kind === 'put' && mayLie({ inode }, one)) table.lookedUp(table.put(one, from.name, seen(inode)))
      else if (kind === 'remove') table.remove(one, from.name)
      else if (kind === 'move' && mayLie(first, other)) table.move(from, to)
      else if (kind === 'exchange' && mayLie(first, other) && mayLie(second, one)) table.exchange(from, to)
      else if (kind === 'misplaced') table.misplaced(one)
      else if (kind === 'part') table.part(one)
      else if (kind === 'forget') table.forget(one.nodeId, 1)
      onStep(table)
    }
    return table.all().map((node) => table.pathIfAny(node))
  }
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
      const looking = (table: InodeTable): void => {
        for (const node of table.all()) {
          const path = table.pathIfAny(node)
          assert.equal(table.pathIfAny(node), path)
        }
      }
      assert.deepEqual(
        run(steps, looking),
        run(steps, () => undefined),
      )
    }),
  )
})
