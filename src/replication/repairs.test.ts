import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { chunkIn, nodeId } from '#placement/nodes.suite.ts'
import { describeCopies } from './copy-states.ts'
import { RepairQueue } from './repair-queue.ts'

test('repairs come by how few copies there are, then by how long they have waited, each chunk once', () => {
  const queue = new RepairQueue()
  const [a, b, c, d] = [1, 2, 3, 4].map(chunkIn) as [ChunkId, ChunkId, ChunkId, ChunkId]
  for (const [chunk, copies] of [
    [a, 2],
    [b, 1],
    [c, 2],
    [d, 2],
    [a, 2],
    [d, 0],
    [b, 3],
  ] as const) {
    assert.ok(queue.offer({ chunk, copies }))
  }
  assert.equal(queue.size, 4)
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => queue.take()?.chunk),
    [d, b, a, c, undefined],
  )
})

test('a full queue keeps the repairs of the fewest copies, and counts those that have to go', () => {
  const queue = new RepairQueue({ waitingMax: 2 })
  assert.ok(queue.offer({ chunk: chunkIn(1), copies: 2 }))
  assert.ok(queue.offer({ chunk: chunkIn(2), copies: 1 }))
  assert.equal(queue.offer({ chunk: chunkIn(3), copies: 2 }), false)
  assert.ok(queue.offer({ chunk: chunkIn(4), copies: 0 }))
  assert.equal(queue.deferred, 2)
  assert.deepEqual([queue.take()?.chunk, queue.take()?.chunk, queue.take()], [chunkIn(4), chunkIn(2), undefined])
})

test('whatever is offered, a queue holds no more than it may, and gives in order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(30), fc.nat(4))), fc.integer({ min: 1, max: 10 }), (offers, waitingMax) => {
      const queue = new RepairQueue({ waitingMax })
      for (const [chunk, copies] of offers) {
        queue.offer({ chunk: chunkIn(chunk), copies })
        assert.ok(queue.size <= waitingMax)
      }
      const least = Math.min(...offers.map(([, copies]) => copies))
      const taken = Array.from({ length: queue.size }, () => queue.take())
      assert.equal(queue.size, 0)
      if (offers.length > 0) assert.equal(taken[0]?.copies, least)
      assert.deepEqual(
        taken,
        taken.toSorted((x, y) => (x?.copies ?? 0) - (y?.copies ?? 0)),
      )
      assert.equal(new Set(taken.map((request) => request?.chunk)).size, taken.length)
    }),
  )
})

test('a chunk goes from uploading over need-replication and replication-out to stored, its copies over replication-in', () => {
  const [a, b, c, d] = [1, 2, 3, 4].map(nodeId) as [NodeId, NodeId, NodeId, NodeId]
  const states = (durable: NodeId[], arriving: NodeId[], damaged: NodeId[] = []): unknown[] => {
    const { state, copies } = describeCopies({
      holders: [a, b, c],
      durable: new Set(durable),
      arriving: new Set(arriving),
      damaged: new Set(damaged),
      copies: 3,
    })
    return [state, ...copies.map((copy) => `${copy.node.slice(-1)} ${copy.state}`)]
  }
  assert.deepEqual(states([], []), [undefined])
  assert.deepEqual(states([], [a, b, c]), ['uploading', '1 replication-in', '2 replication-in', '3 replication-in'])
  assert.deepEqual(states([a], []), ['need-replication', '1 stored'])
  assert.deepEqual(states([a], [b]), ['replication-out', '1 stored', '2 replication-in'])
  assert.deepEqual(states([a, b, d], []), ['need-replication', '1 stored', '2 stored', '4 stored'])
  assert.deepEqual(states([a, b], [], [c]), ['need-replication', '1 stored', '2 stored', '3 corrupt'])
  assert.deepEqual(states([], [], [a, b, d]), ['corrupt', '1 corrupt', '2 corrupt', '4 corrupt'])
  assert.deepEqual(states([], [c], [a]), ['uploading', '1 corrupt', '3 replication-in'])
  assert.deepEqual(states([a, b, c, d], []), ['stored', '1 stored', '2 stored', '3 stored', '4 to-delete'])
})
