import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedStamp } from './shared-stamp.ts'

test('a stamp says nothing while a change is under way, and is another one after each, failed ones too', async () => {
  const writer = new SharedStamp()
  const other = new SharedStamp(writer.memory)
  const before = other.current
  assert.notEqual(before, undefined)
  const ends = Promise.withResolvers<string>()
  const change = writer.change(() => ends.promise)
  assert.equal(other.current, undefined)
  await assert.rejects(writer.change(() => Promise.reject(new Error('planned'))))
  assert.equal(other.current, undefined)
  ends.resolve('done')
  assert.equal(await change, 'done')
  assert.notEqual(other.current, undefined)
  assert.notEqual(other.current, before)
})
