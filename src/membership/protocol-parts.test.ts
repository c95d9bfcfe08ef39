import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { NodeId } from '#foundation/ids.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { GossipQueue } from './gossip-queue.ts'
import { LocalHealth } from './local-health.ts'
import { ProbeRing } from './probe-ring.ts'
import { Suspicion } from './suspicion.ts'
import { DEFAULT_TIMING, exchangeInterval, retransmitLimit } from './timing.ts'
import { encodeUpdate, type Update } from './update.ts'
import { LONGEST_FACTS } from './update.suite.ts'

const idOf = (index: number) => index.toString(16).padStart(32, '0') as NodeId
const dead = (index: number, incarnation = 1): Update => ({ kind: 'dead', id: idOf(index), incarnation })

test('news that was told least goes first, each is told as often as the limit says, and none twice in a packet', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 30, max: 200 }),
      (count, limit, room) => {
        const queue = new GossipQueue()
        const told = new Map<string, number>()
        for (let index = 0; index < count; index += 1) queue.add(dead(index))
        while (queue.size > 0) {
          const packet = queue.take(room, limit).map((bytes) => bytes.toString('hex'))
          assert.ok(packet.length > 0)
          assert.equal(new Set(packet).size, packet.length)
          assert.ok(packet.join('').length / 2 <= room)
          for (const news of packet) told.set(news, (told.get(news) ?? 0) + 1)
          const counts = Array.from({ length: count }, (_, index) => told.get(encodeUpdate(dead(index)).toString('hex')) ?? 0)
          assert.ok(Math.max(...counts) - Math.min(...counts) <= 1)
        }
        assert.deepEqual(new Set(told.values()), new Set([limit]))
      },
    ),
  )
})

test('newer news takes the place of older about the same node, so the queue is bounded by the nodes', () => {
  const queue = new GossipQueue()
  for (let incarnation = 1; incarnation <= 100; incarnation += 1) {
    queue.add(dead(1, incarnation))
    queue.add({ kind: 'alive', id: idOf(1), incarnation, facts: LONGEST_FACTS })
  }
  assert.equal(queue.size, 2)
  queue.forgetSaid(idOf(1))
  assert.deepEqual(queue.take(1000, 9), [encodeUpdate({ kind: 'alive', id: idOf(1), incarnation: 100, facts: LONGEST_FACTS })])
})

for (const { promise, isBusy } of [
  { promise: 'within two rounds every node is probed', isBusy: false },
  { promise: 'while nodes come and go all the time, none of the others is left out', isBusy: true },
]) {
  test(promise, () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 20 }), (seed, size) => {
        const random = new SeededRandom(seed)
        const ring = new ProbeRing<number>(random)
        for (let item = 0; item < size; item += 1) ring.add(item)
        // Whoever comes is added to the round that is under way, which takes longer for it.
        const gapMax = isBusy ? 6 * (size + 3) : 2 * size - 1
        let extra = 1000
        const last = new Map<number, number>()
        for (let turn = 0; turn < size * 20; turn += 1) {
          const item = ring.next() as number
          assert.ok(ring.has(item))
          last.set(item, turn)
          for (let other = 0; other < size; other += 1)
            assert.ok(turn - (last.get(other) ?? 0) <= gapMax, `${other} of ${size} was left out at ${turn}`)
          if (isBusy && random.chance(0.2) && ring.size < size + 3) ring.add((extra += 1))
          else if (isBusy && random.chance(0.2) && ring.has(extra)) ring.remove(extra)
        }
      }),
    )
  })
}

test('helpers are different ones, and only such as suit', () => {
  for (const size of [3, 16, 17, 400]) {
    const ring = new ProbeRing<number>(new SeededRandom(size))
    for (let item = 0; item < size; item += 1) ring.add(item)
    const seen = new Set<number>()
    for (let round = 0; round < 40; round += 1) {
      const picked = ring.pick(3, (item) => item !== 1)
      assert.equal(new Set(picked).size, Math.min(3, size - 1))
      assert.ok(!picked.includes(1))
      for (const item of picked) seen.add(item)
    }
    assert.ok(seen.size >= Math.min(size - 1, 60))
  }
})

test('a suspicion that nobody shares lasts six times as long as one that enough others share', () => {
  const suspicion = new Suspicion({ incarnation: 1, by: idOf(1), nowMs: 0, nodes: 10, timing: DEFAULT_TIMING })
  const [none, one, two] = [
    suspicion.deadlineMs(8),
    suspicion.confirm(idOf(2)) && !suspicion.confirm(idOf(2)) && !suspicion.confirm(idOf(1)) && suspicion.deadlineMs(8),
    suspicion.confirm(idOf(3)) && suspicion.deadlineMs(8),
  ]
  assert.deepEqual([none, two], [18_000, 3000])
  assert.equal(Math.round(one as number), Math.round(18_000 - 15_000 * (Math.log(2) / Math.log(3))))
  assert.equal(suspicion.confirm(idOf(2)), false)
  assert.equal(suspicion.confirm(idOf(4)), false)
})

test('nobody waits for confirmations that nobody can give, and large clusters give more time', () => {
  const timeouts = (nodes: number, witnesses: number) =>
    new Suspicion({ incarnation: 1, by: idOf(1), nowMs: 0, nodes, timing: DEFAULT_TIMING }).deadlineMs(witnesses)
  assert.equal(timeouts(2, 0), 3000)
  assert.equal(timeouts(3, 1), 18_000)
  assert.equal(timeouts(1000, 0), 9000)
})

test('a node that finds itself slow gives up to nine times as much time, and no less than the usual', () => {
  const health = new LocalHealth(8)
  health.improve()
  assert.equal(health.scale(500), 500)
  health.worsen(3)
  assert.equal(health.scale(500), 2000)
  for (let time = 0; time < 20; time += 1) health.worsen()
  assert.equal(health.scale(500), 4500)
  health.improve()
  assert.equal(health.score, 7)
})

test('retransmissions and the time between exchanges grow with the logarithm of the nodes', () => {
  assert.deepEqual(
    [1, 3, 10, 100, 1000].map((nodes) => retransmitLimit(DEFAULT_TIMING, nodes)),
    [3, 6, 10, 19, 28],
  )
  assert.deepEqual(
    [1, 32, 33, 64, 1000].map((nodes) => exchangeInterval(DEFAULT_TIMING, nodes) / 30_000),
    [1, 1, 2, 2, 6],
  )
})
