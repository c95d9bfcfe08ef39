import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { type Made, OwnVersions } from './own-versions.ts'

/** A node that has what `there` says, and a clock whose waits end when they are told to. */
function fixture(look: () => Promise<Made> = () => assert.fail('there is nothing to ask')) {
  const sleeps: { readonly ms: number; readonly end: () => void }[] = []
  const sleep = (ms: number): Promise<void> =>
    ms === 0 ? Promise.resolve() : new Promise((end) => sleeps.push({ ms, end: () => end() }))
  return { own: new OwnVersions({ sleep }, look), sleeps }
}

const FILE: Path = ['dir', 'file']
const of = (version: number) => Promise.resolve({ version } as Attributes)

test('what was made last is known, and nothing has to be asked', async () => {
  const { own } = fixture()
  await own.make(FILE, of(7))
  assert.equal(await own.isOwn(FILE, 7), true)
  await own.remove(FILE, Promise.resolve())
  assert.equal(await own.isOwn(FILE, 'removed'), true)
  assert.equal(await own.isOwn(['other'], 7), false)
})

test('a removal that is told when something of this mount is there again is not taken for what others did', async () => {
  const { own } = fixture(async () => 8)
  await own.remove(FILE, Promise.resolve())
  await own.move(['source'], FILE, of(8))
  assert.equal(await own.isOwn(FILE, 'removed'), true)
  assert.equal(await own.isOwn(FILE, 8), true)
  assert.equal(await own.isOwn(['source'], 'removed'), true)
})

test('a removal that is told when something of others has been told there is not taken for what they did', async () => {
  let there: Made = 8
  const { own } = fixture(async () => there)
  await own.remove(FILE, Promise.resolve())
  assert.equal(await own.isOwn(FILE, 8), false)
  assert.equal(await own.isOwn(FILE, 'removed'), true)
  there = 'removed'
  assert.equal(await own.isOwn(FILE, 'removed'), false)
})

test('of what others have made of a path afterwards nothing is known', async () => {
  const { own } = fixture(async () => 9)
  await own.make(FILE, of(8))
  assert.equal(await own.isOwn(FILE, 9), false)
  assert.equal(await own.isOwn(FILE, 8), false)
})

test('what is made while the node is asked is judged by what was made, and without end it is given up', async () => {
  const answers: Made[] = [7, 8]
  const { own } = fixture(async () => {
    if (answers.length === 2) await own.make(FILE, of(8))
    return answers.shift() as Made
  })
  await own.make(FILE, of(7))
  assert.equal(await own.isOwn(FILE, 'removed'), true)
  let version = 100
  let looks = 0
  const restless = fixture(async () => {
    looks += 1
    await restless.own.make(FILE, of((version += 1)))
    return version - 1
  })
  await restless.own.make(FILE, of(version))
  assert.equal(await restless.own.isOwn(FILE, 'removed'), false)
  assert.ok(looks > 1 && looks < 10)
})

test('what is told from a directory that is moving waits until it has moved, and at most 30 s', async () => {
  for (const isAnswered of [true, false]) {
    const { own, sleeps } = fixture()
    const moved = Promise.withResolvers<Attributes>()
    const moving = own.move(['dir'], ['away'], moved.promise)
    let isJudged = false
    const judging = own.isOwn(FILE, 'removed').then((isOwn) => {
      isJudged = true
      return isOwn
    })
    await new Promise(setImmediate)
    assert.deepEqual([isJudged, ...sleeps.map(({ ms }) => ms)], [false, 30_000])
    if (isAnswered) moved.resolve(await of(1))
    else sleeps[0]?.end()
    assert.equal(await judging, false)
    moved.resolve(await of(1))
    await moving
  }
})
