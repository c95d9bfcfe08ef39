import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '#foundation/errors.ts'
import { CreditPool } from './credit-pool.ts'
import { IncomingBody } from './incoming-body.ts'
import { DATA_FRAME_COST_BYTES, FIRST_WINDOW_BYTES } from './limits.ts'

const POOL_BYTES = 1024 * 1024

interface Rig {
  readonly pool: CreditPool
  readonly body: IncomingBody
  /** What a sender that keeps to the rules may still send. */
  credit: number
  abandoned: number
}

function rig(): Rig {
  const pool = new CreditPool(POOL_BYTES)
  const made: { credit: number; abandoned: number } = { credit: FIRST_WINDOW_BYTES, abandoned: 0 }
  const body = new IncomingBody({
    pool,
    windowBytesMax: 512 * 1024,
    grant: (bytes) => (made.credit += bytes),
    abandoned: () => (made.abandoned += 1),
  })
  return Object.assign(made, { pool, body })
}

/** Sends a frame as large as the credit allows, `wanted` at most; how many bytes. */
function send(made: Rig, wanted: number): number {
  const length = Math.min(wanted, made.credit - DATA_FRAME_COST_BYTES)
  if (length <= 0) return 0
  made.credit -= length + DATA_FRAME_COST_BYTES
  assert.ok(made.body.push(Buffer.alloc(length), true))
  return length
}

test('what has come and is not read never passes the window, a reader that goes on never waits for ever, and the pool gets everything back', async () => {
  const steps = fc.array(fc.oneof(fc.record({ send: fc.nat(100_000) }), fc.constant('read' as const)), { maxLength: 80 })
  await fc.assert(
    fc.asyncProperty(steps, fc.constantFrom('end', 'fail', 'cancel'), async (plan, how) => {
      const made = rig()
      let waiting = 0
      let sent = 0
      for (const step of plan) {
        if (step !== 'read') {
          const bytes = send(made, step.send)
          waiting += bytes
          sent += bytes
        } else if (waiting > 0) {
          waiting -= ((await made.body.next()).value as Buffer).length
        }
        assert.ok(waiting <= 512 * 1024)
        if (waiting === 0)
          assert.ok(made.credit > DATA_FRAME_COST_BYTES, `nothing waits after ${sent} bytes, and nothing may come`)
      }
      if (how === 'end') made.body.end()
      else if (how === 'fail') made.body.fail(new ShoalError('TIMEOUT', 'late'))
      else made.body.cancel()
      assert.ok(made.pool.take(POOL_BYTES))
      assert.equal(made.abandoned, how === 'cancel' ? 1 : 0)
    }),
    { numRuns: 300 },
  )
})

test('the window grows while it is used up, and no further than the pool has', async () => {
  const made = rig()
  for (let turn = 0; turn < 1_000; turn += 1) {
    if (send(made, 16_384) > 0) await made.body.next()
  }
  const grownBytes = 512 * 1024 - FIRST_WINDOW_BYTES
  assert.ok(!made.pool.take(POOL_BYTES - grownBytes + 1) && made.pool.take(POOL_BYTES - grownBytes))
})

test('a sender that sends more than it may is found out, also one with very many tiny frames', () => {
  const { body } = rig()
  assert.ok(body.push(Buffer.alloc(FIRST_WINDOW_BYTES - DATA_FRAME_COST_BYTES), true))
  assert.ok(!body.push(Buffer.alloc(1), true))
  const tiny = rig()
  let frames = 0
  while (tiny.body.push(Buffer.alloc(1), true)) frames += 1
  assert.equal(frames, Math.floor(FIRST_WINDOW_BYTES / (DATA_FRAME_COST_BYTES + 1)))
})

test('what came before the end is read before it, and what came before a failure is not', async () => {
  const ended = rig().body
  ended.push(Buffer.from('a'), true)
  ended.end()
  ended.fail(new ShoalError('TIMEOUT', 'too late to matter'))
  assert.equal(Buffer.concat(await Array.fromAsync(ended)).toString(), 'a')
  const failed = rig().body
  failed.push(Buffer.from('a'), true)
  failed.fail(new ShoalError('UNAVAILABLE', 'gone'))
  await assert.rejects(failed.next(), { code: 'UNAVAILABLE' })
  await assert.rejects(failed.next(), { code: 'UNAVAILABLE' })
})

test('whoever takes each piece gets all of them in order, in the turn in which they come, and none while it has paused', async () => {
  const { body } = rig()
  const taken: string[] = []
  const push = (text: string): void => assert.ok(body.push(Buffer.from(text), true))
  push('a')
  const done = body.each((piece) => taken.push(piece.toString()))
  push('b')
  assert.deepEqual(taken, ['a', 'b'])
  body.pause()
  push('c')
  push('d')
  assert.deepEqual(taken, ['a', 'b'])
  body.resume()
  push('e')
  body.end()
  await done
  assert.deepEqual(taken, ['a', 'b', 'c', 'd', 'e'])
})

test('a sender is let go on by whoever takes each piece, and not while that one has paused', () => {
  const made = rig()
  let takenBytes = 0
  void made.body.each((piece) => (takenBytes += piece.length))
  for (let turn = 0; turn < 100; turn += 1) assert.ok(send(made, 60_000) > 0)
  assert.ok(takenBytes > 1024 * 1024)
  made.body.pause()
  const before = takenBytes
  while (send(made, 60_000) > 0);
  assert.equal(takenBytes, before)
  made.body.resume()
  assert.ok(takenBytes > before && made.credit > DATA_FRAME_COST_BYTES)
})

test('what a body fails with, and what its taker throws, ends the taking', async () => {
  const failing = rig().body
  const failed = failing.each(() => {})
  failing.fail(new ShoalError('TIMEOUT', 'late'))
  await assert.rejects(failed, { code: 'TIMEOUT' })

  const made = rig()
  const thrown = made.body.each(() => {
    throw new ShoalError('CORRUPT', 'more than there is room for')
  })
  assert.ok(made.body.push(Buffer.from('a'), true))
  assert.ok(made.body.push(Buffer.from('b'), true))
  await assert.rejects(thrown, { code: 'CORRUPT' })
  assert.equal(made.abandoned, 1)
})
