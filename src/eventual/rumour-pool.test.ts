import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { nodeId, openReplica } from './fixture.suite.ts'
import { NO_TIME } from './hybrid-clock.ts'
import { EventualNamespace } from './namespace.ts'
import type { Replica } from './replica.ts'
import { type Rumour, RumourPool } from './rumour-pool.ts'
import { valueOf } from './simulation-history.suite.ts'

const place = (path: string) => ({ volume: 'docs', path })
const node = (number: number) => `${number}`.padStart(32, '0') as NodeId
/** The one rumour, on its way to a node. */
const take = (pool: RumourPool, target: NodeId): Rumour => pool.take(target, 1)[0]!
const tell = (pool: RumourPool, answers: readonly ('known' | 'news' | 'none')[]) =>
  answers.map((answer, at) => pool.told(take(pool, node(at)), answer, node(at)))

test('a rumour dies when three have known it already, and lives on while it is news', () => {
  const pool = new RumourPool()
  pool.add({ place: place('a') })
  assert.ok(
    tell(
      pool,
      Array.from({ length: 20 }, () => 'news'),
    ).every((isDead) => !isDead),
  )
  const dead = [20, 21, 22].map((at) => pool.told(take(pool, node(at)), 'known', node(at)))
  assert.deepEqual(dead, [false, false, true])
  assert.equal(pool.size, 0)
})

test('a rumour that nobody answers to dies, too', () => {
  const pool = new RumourPool()
  pool.add({ place: place('a') })
  let tellings = 1
  while (!pool.told(take(pool, node(1)), 'none', node(1))) tellings += 1
  assert.equal(tellings, 40)
})

test('nobody is told what it has said itself, or has heard, or was there when it compared everything; a rumour that all have heard goes', () => {
  const pool = new RumourPool()
  pool.add({ place: place('a'), heardBy: [node(1)] })
  const three = [node(1), node(2), node(3)]
  assert.deepEqual(pool.take(node(1), 9), [])
  assert.equal(pool.told(take(pool, node(2)), 'news', node(2)), false)
  assert.deepEqual(pool.take(node(2), 9), [])
  assert.equal(pool.told(take(pool, node(3)), 'none', node(3)), false)
  assert.deepEqual(pool.dropHeard(three), [])
  const before = pool.lastNumber
  pool.add({ place: place('b') })
  pool.caughtUp(node(3), before)
  assert.deepEqual(
    pool.dropHeard(three).map((rumour) => rumour.place.path),
    ['a'],
  )
  // Nobody is there to be told.
  assert.deepEqual([pool.dropHeard([]), pool.size], [[], 1])
})

test('nobody is told what it has written itself, by whichever way that came; but what became of it', async () => {
  const [a, b, c, d] = await Promise.all(['a', 'b', 'c', 'd'].map((id) => openReplica({ id })))
  const put = (replica: Replica, path: string) => new EventualNamespace(replica, 'docs').put(path, valueOf(path))
  const hears = async (from: Replica, path: string, to = b) => {
    const state = await from.store.read((snapshot) => from.transferred(snapshot, place(path)))
    await to!.mergeAll([state], NO_TIME, { from: c!.node, by: 'rumour' })
  }
  await put(a!, 'x')
  await hears(a!, 'x')
  const told = (id: string) => b!.rumours.take(nodeId(id), 9).map((rumour) => rumour.place.path)
  assert.deepEqual([told('a'), told('c'), told('d')], [[], [], ['x']])
  await put(b!, 'x')
  await put(a!, 'x')
  await hears(a!, 'x')
  assert.deepEqual([told('a'), told('c')], [['x'], ['x']])
  // What lost against it was dropped: its writer need not have heard of that.
  await new EventualNamespace(c!, 'docs').put('y', valueOf('lost'))
  await put(a!, 'y')
  for (const from of [c!, a!]) await hears(from, 'y', d)
  const [, lost] = await new EventualNamespace(d!, 'docs').versions('y')
  await new EventualNamespace(d!, 'docs').drop('y', lost!)
  await hears(d!, 'y')
  assert.deepEqual(told('a').toSorted(), ['x', 'y'])
})

test('news at a path that is being told of is one rumour, told from the beginning', () => {
  const pool = new RumourPool(2)
  pool.add({ place: place('a') })
  const before = take(pool, node(1))
  pool.add({ place: place('a') })
  assert.equal(pool.size, 1)
  // Who has heard of it before has not heard of what is there now.
  assert.equal(pool.told(before, 'known', node(1)), false)
  assert.deepEqual(tell(pool, ['news', 'known', 'known']), [false, false, true])
})

test('each has its turn, and beyond ten thousand rumours none is taken up; of what came by anti-entropy only some hundred', () => {
  const pool = new RumourPool()
  for (const path of ['a', 'b', 'c']) pool.add({ place: place(path) })
  const paths = (count: number) => pool.take(node(1), count).map((rumour) => rumour.place.path)
  assert.deepEqual(
    [paths(2), paths(2), paths(9)],
    [
      ['a', 'b'],
      ['c', 'a'],
      ['b', 'c', 'a'],
    ],
  )
  for (let at = 0; at < 1_000; at += 1) pool.add({ place: place(`x${at}`), heardBy: [node(1)], by: 'exchange' })
  assert.deepEqual([pool.size, pool.refused], [256, 747])
  for (let at = 0; at < 10_000; at += 1) pool.add({ place: place(`${at}`) })
  assert.deepEqual([pool.size, pool.refused], [10_000, 747 + 256])
})
