import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RumourPool } from './rumour-pool.ts'

const place = (path: string) => ({ volume: 'docs', path })

test('a rumour dies when three have known it already, and lives on while it is news', () => {
  const pool = new RumourPool()
  pool.add(place('a'))
  for (let times = 0; times < 20; times += 1) assert.equal(pool.told(place('a'), 'news'), false)
  assert.deepEqual(
    ['known', 'known', 'known'].map((answer) => pool.told(place('a'), answer as 'known')),
    [false, false, true],
  )
  assert.equal(pool.size, 0)
})

test('a rumour that nobody answers to dies, too', () => {
  const pool = new RumourPool()
  pool.add(place('a'))
  let tellings = 1
  while (!pool.told(place('a'), 'none')) tellings += 1
  assert.equal(tellings, 40)
})

test('news at a path that is being told of is one rumour, told from the beginning', () => {
  const pool = new RumourPool(2)
  pool.add(place('a'))
  assert.equal(pool.told(place('a'), 'known'), false)
  pool.add(place('a'))
  assert.equal(pool.size, 1)
  assert.deepEqual([pool.told(place('a'), 'known'), pool.told(place('a'), 'known')], [false, true])
})

test('each has its turn, and beyond ten thousand rumours none is taken up', () => {
  const pool = new RumourPool()
  for (const path of ['a', 'b', 'c']) pool.add(place(path))
  const paths = (count: number) => pool.take(count).map(({ path }) => path)
  assert.deepEqual(
    [paths(2), paths(2), paths(9)],
    [
      ['a', 'b'],
      ['c', 'a'],
      ['b', 'c', 'a'],
    ],
  )
  for (let at = 0; at < 10_000; at += 1) pool.add(place(`${at}`))
  assert.deepEqual([pool.size, pool.refused], [10_000, 3])
})
