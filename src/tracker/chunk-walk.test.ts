import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { chunkIn, nodeId } from '#placement/nodes.suite.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { ChunkWalk } from './chunk-walk.ts'
import type { ListOptions } from './ports.ts'

const { signal } = new AbortController()

function holdersOf(chunks: ReadonlyMap<NodeId, readonly ChunkId[]>, lists: { count: number } = { count: 0 }) {
  return {
    async list(node: NodeId, { from, limit }: ListOptions) {
      lists.count += 1
      const held = chunks.get(node)
      if (held === undefined) throw new ShoalError('UNAVAILABLE', 'It is down')
      const ids = held.filter((id) => from === undefined || id >= from).toSorted()
      return ids.slice(0, limit).map((id) => ({ id, sizeBytes: 1, touchedAtMs: Number.parseInt(node, 16) }))
    },
  }
}

test('whatever nodes have, a walk meets each chunk once, in order, with all who have it, a bounded number at a time', async () => {
  const anyHeld = fc.array(fc.uniqueArray(fc.nat(60), { maxLength: 40 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(anyHeld, fc.integer({ min: 1, max: 9 }), async (held, limit) => {
      const chunks = new Map(held.map((numbers, index) => [nodeId(index), numbers.map(chunkIn)]))
      const walk = new ChunkWalk({ holders: holdersOf(chunks), clock: new ManualClock(), from: undefined, limit })
      const met: [ChunkId, NodeId[]][] = []
      for (;;) {
        const batch = await walk.peek([...chunks.keys()], signal)
        assert.ok(batch.chunks.length <= limit)
        met.push(...batch.chunks.map(({ id, nodes }): [ChunkId, NodeId[]] => [id, [...nodes]]))
        if (batch.next === undefined) break
        walk.advance(batch.next)
      }
      const ids = [...new Set([...chunks.values()].flat())].toSorted()
      const expected = ids.map((id): [ChunkId, NodeId[]] => [
        id,
        [...chunks].filter(([, own]) => own.includes(id)).map(([node]) => node),
      ])
      assert.deepEqual(met, expected)
    }),
  )
})

test('a node that does not answer is named, left out, and asked again for the next batch', async () => {
  const [a, b] = [nodeId(0), nodeId(1)]
  const chunks = new Map<NodeId, ChunkId[]>([[a, [1, 2, 3].map(chunkIn)]])
  const walk = new ChunkWalk({ holders: holdersOf(chunks), clock: new ManualClock(), from: undefined, limit: 2 })
  const first = await walk.peek([a, b], signal)
  assert.deepEqual([first.answered, first.silent, first.chunks.length], [[a], [b], 2])
  walk.advance(first.next as ChunkId)
  chunks.set(b, [1, 3].map(chunkIn))
  const second = await walk.peek([a, b], signal)
  assert.deepEqual(
    second.chunks.map(({ id, nodes }) => [id, nodes]),
    [[chunkIn(3), [a, b]]],
  )
})

test('a page is used up before the next is asked for, unless it is a minute old', async () => {
  const chunks = new Map([[nodeId(0), [1, 2, 3, 4].map(chunkIn)]])
  const lists = { count: 0 }
  const clock = new ManualClock()
  const walk = new ChunkWalk({ holders: holdersOf(chunks, lists), clock, from: chunkIn(2), limit: 3 })
  await walk.peek([nodeId(0)], signal)
  await walk.peek([nodeId(0)], signal)
  assert.equal(lists.count, 1)
  clock.advance(60_000)
  const { chunks: met, next } = await walk.peek([nodeId(0)], signal)
  assert.equal(lists.count, 2)
  assert.deepEqual(
    met.map(({ id }) => id),
    [2, 3, 4].map(chunkIn),
  )
  assert.ok(next !== undefined, 'a full page may not be the last')
})
