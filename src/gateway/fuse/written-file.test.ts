import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { WriteBudget, WrittenFile } from './written-file.ts'

const MIB = 1024 * 1024

function fileWith(store?: (piece: { offset: number; bytes: Buffer }) => Promise<void>) {
  const stored: [number, string][] = []
  const budget = new WriteBudget()
  const file = new WrittenFile(budget, async (piece) => {
    await store?.(piece)
    stored.push([piece.offset, piece.bytes.toString()])
  })
  return { file, stored, budget }
}

test('pieces are joined up to a length, and a longer one is stored as it is', async () => {
  const stored: [number, string][] = []
  const file = new WrittenFile(new WriteBudget(4), async ({ offset, bytes }) => {
    stored.push([offset, bytes.toString()])
  })
  for (const [at, text] of ['ab', 'cd', 'e', 'fghijk', 'l'].entries())
    file.write([0, 2, 4, 5, 11][at] as number, Buffer.from(text))
  await file.flush()
  assert.deepEqual(stored, [
    [0, 'abcd'],
    [4, 'e'],
    [5, 'fghijk'],
    [11, 'l'],
  ])
})

test('what was written in pieces is stored as one, and then nothing is left', async () => {
  const { file, stored, budget } = fileWith()
  file.write(0, Buffer.from('ab'))
  file.write(2, Buffer.from('cd'))
  file.write(10, Buffer.from('z'))
  await Promise.all([file.flush(), file.flush()])
  assert.deepEqual(stored, [
    [0, 'abcd'],
    [10, 'z'],
  ])
  assert.ok(file.isClean)
  assert.equal(budget.usedBytes, 0)
})

test('the caller may use its bytes again', async () => {
  const { file, stored } = fileWith()
  const bytes = Buffer.from('ab')
  file.write(0, bytes)
  bytes.fill('x')
  await file.flush()
  assert.deepEqual(stored, [[0, 'ab']])
})

test('what is being stored can be read until it is, and what is written on the way is newer', async () => {
  const gate = Promise.withResolvers<void>()
  const { file, stored } = fileWith(() => gate.promise)
  file.write(0, Buffer.from('old'))
  const flushed = file.flush()
  await Promise.resolve()
  file.write(1, Buffer.from('X'))
  assert.deepEqual(
    file.within(0, 10).map(({ bytes }) => bytes.toString()),
    ['old', 'X'],
  )
  assert.equal(file.end, 3)
  gate.resolve()
  await flushed
  assert.deepEqual(stored, [
    [0, 'old'],
    [1, 'X'],
  ])
})

test('what could not be stored stays below what came after, and is stored by the next flush', async () => {
  let isFull = true
  const { file, stored, budget } = fileWith(async () => {
    await Promise.resolve()
    if (isFull) throw new ShoalError('NO_SPACE', 'Full')
  })
  file.write(0, Buffer.from('abc'))
  const flushed = file.flush()
  file.write(1, Buffer.from('X'))
  await assert.rejects(flushed, { code: 'NO_SPACE' })
  assert.equal(budget.usedBytes, 3)
  isFull = false
  await file.flush()
  assert.deepEqual(stored, [[0, 'aXc']])
  assert.equal(budget.usedBytes, 0)
})

test('a file has room for 8 MiB, all files together for 64', () => {
  const { file, budget } = fileWith()
  assert.ok(file.hasRoom(8 * MIB))
  assert.ok(!file.hasRoom(8 * MIB + 1))
  file.write(0, Buffer.alloc(MIB))
  assert.ok(!file.hasRoom(8 * MIB))
  budget.usedBytes = 64 * MIB
  assert.ok(!file.hasRoom(1))
  budget.usedBytes = MIB
  file.discard()
  assert.equal(budget.usedBytes, 0)
})

test('what needs no waiting is stored in one turn, and what can’t be stays', async () => {
  const { file, stored, budget } = fileWith()
  file.write(0, Buffer.from('ab'))
  file.write(9, Buffer.from('c'))
  const now: [number, string][] = []
  const take = ({ offset, bytes }: { offset: number; bytes: Buffer }) => now.push([offset, bytes.toString()]) === 1
  assert.ok(!file.flushNow(take))
  assert.equal(file.end, 10)
  assert.throws(() => file.flushNow(() => assert.fail('no room')))
  await file.flush()
  const both = [
    [0, 'ab'],
    [9, 'c'],
  ]
  assert.deepEqual([now, stored], [both, both])
  file.write(0, Buffer.from('d'))
  assert.ok(file.flushNow(() => true))
  assert.ok(file.isClean)
  assert.equal(budget.usedBytes, 0)
})

test('nothing is stored at once while something is under way', async () => {
  const { file, stored } = fileWith(async () => Promise.resolve())
  file.write(0, Buffer.from('a'))
  const flushed = file.flush()
  file.write(0, Buffer.from('b'))
  assert.ok(!file.flushNow(() => assert.fail('too soon')))
  await flushed
  assert.deepEqual(stored, [
    [0, 'a'],
    [0, 'b'],
  ])
})

test('what lies behind the longest file there can be is refused before it is taken', async () => {
  const { file, stored } = fileWith()
  assert.throws(() => file.write(Number.MAX_SAFE_INTEGER - 1, Buffer.from('xx')), { code: 'TOO_LARGE' })
  assert.equal(file.isClean, true)
  file.write(Number.MAX_SAFE_INTEGER - 2, Buffer.from('xx'))
  await file.flush()
  assert.deepEqual(stored, [[Number.MAX_SAFE_INTEGER - 2, 'xx']])
})
