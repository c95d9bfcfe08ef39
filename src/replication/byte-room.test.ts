import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rejectsWith } from '#chunk/store.suite.ts'
import { ShoalError } from '#foundation/errors.ts'
import { ByteRoom } from './byte-room.ts'
import type { Claim } from './byte-room.ts'

const NEVER = new AbortController().signal

test('no more is given out than there is, and all that asked get some, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 40 }), async (sizes) => {
      const room = new ByteRoom({ bytesMax: 100, waitingMax: 100 })
      const entered: number[] = []
      const held: Claim[] = []
      const all = sizes.map(async (size, at) => {
        held.push(await room.take(size, NEVER))
        entered.push(at)
        assert.ok(room.freeBytes >= 0)
      })
      while (entered.length < sizes.length) {
        await new Promise(setImmediate)
        held.shift()?.release()
      }
      await Promise.all(all)
      assert.deepEqual(
        entered,
        sizes.map((_, at) => at),
      )
      for (const claim of [...held, ...held]) claim.release()
      assert.equal(room.freeBytes, 100)
    }),
  )
})

test('too many that wait are told so, and one that gives up makes way', async () => {
  const room = new ByteRoom({ bytesMax: 100, waitingMax: 2 })
  const held = await room.take(60, NEVER)
  const stop = new AbortController()
  const large = room.take(90, stop.signal)
  const small = room.take(40, NEVER)
  await rejectsWith('BUSY', room.take(1, NEVER))
  stop.abort(new ShoalError('CANCELLED', 'Enough'))
  await rejectsWith('CANCELLED', large)
  ;(await small).release()
  await rejectsWith('CANCELLED', room.take(90, stop.signal))
  held.release()
  assert.equal(room.freeBytes, 100)
})

test('what can be had back is asked for when somebody waits, the longest there first, and no more of it than is needed', async () => {
  const room = new ByteRoom({ bytesMax: 100, waitingMax: 2 })
  const given: number[] = []
  const claims = [await room.take(40, NEVER), await room.take(40, NEVER)]
  for (const [at, claim] of claims.entries()) {
    claim.spare(() => {
      given.push(at)
      claim.release()
    })
  }
  assert.deepEqual(given, [])
  await room.take(50, NEVER)
  assert.deepEqual(given, [0])
  const waiting = room.take(30, NEVER)
  assert.deepEqual(given, [0, 1])
  await waiting
})
