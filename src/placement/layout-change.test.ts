import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { InvariantError } from '#foundation/assert.ts'
import { computeLayout } from './compute-layout.ts'
import { diffLayouts } from './layout-diff.ts'
import { LayoutPair } from './layout-pair.ts'
import { chunkIn, nodes } from './nodes.suite.ts'

const first = computeLayout({ nodes: nodes(5), copies: 3, partitionBits: 8 })
const second = computeLayout({ nodes: nodes(8).slice(2), copies: 3, previous: first })

test('the difference of two layouts leads from one to the other', () => {
  const diff = diffLayouts(first, second)
  const holders = Array.from({ length: 256 }, (_, partition) => new Set(first.holdersOf(partition)))
  let copies = 0
  for (const { partition, gain, lose, keep } of diff.moves) {
    const set = holders[partition] as Set<string>
    for (const id of keep) assert.ok(set.has(id))
    for (const id of lose) assert.ok(set.delete(id))
    for (const id of gain) set.add(id)
    copies += gain.length
    assert.equal(keep.length + gain.length, 3)
  }
  assert.equal(diff.copiesMoved, copies)
  assert.ok(copies > 0)
  for (const [partition, set] of holders.entries()) assert.deepEqual([...set].toSorted(), second.holdersOf(partition).toSorted())
})

test('before the first layout there is everything to do, between equal ones nothing, between other partitions no answer', () => {
  assert.equal(diffLayouts(undefined, first).copiesMoved, 256 * 3)
  assert.deepEqual(diffLayouts(first, first).moves, [])
  const other = computeLayout({ nodes: nodes(5), copies: 3, partitionBits: 7 })
  assert.throws(
    () => diffLayouts(other, first),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
})

test('while a layout changes chunks are written where the new one has them, and read there first, then where the old one had them', () => {
  const pair = new LayoutPair(second, first)
  assert.ok(pair.isChanging)
  let more = 0
  for (let partition = 0; partition < 256; partition += 1) {
    const chunk = chunkIn(partition * 16)
    assert.deepEqual(pair.writers(chunk), second.holdersOf(partition))
    const readers = pair.readers(chunk)
    assert.deepEqual(readers.slice(0, 3), second.holdersOf(partition))
    assert.deepEqual(new Set(readers), new Set([...second.holdersOf(partition), ...first.holdersOf(partition)]))
    assert.equal(new Set(readers).size, readers.length)
    more += readers.length - 3
  }
  assert.ok(more > 0)
  assert.equal(pair.settled().isChanging, false)
  assert.deepEqual(pair.settled().readers(chunkIn(0)), second.holdersOf(0))
  assert.throws(() => new LayoutPair(first, second), InvariantError)
})
