import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShoalError } from '#foundation/errors.ts'
import { RequestBody } from './request-body.ts'

test('the memory of a released piece is free at once, unless others share it', () => {
  const body = new RequestBody(new IncomingMessage(new Socket()), { lengthBytes: 8, maxBytes: 8, settled: () => {} })
  const whole = new Uint8Array(new ArrayBuffer(5))
  const shared = new Uint8Array(new ArrayBuffer(5))
  body.release(whole)
  body.release(shared.subarray(1, 3))
  assert.equal(whole.buffer.byteLength, 0)
  assert.equal(shared.buffer.byteLength, 5)
})

/** As a request that gives what it has been holding back in the very turn in which it is told to go on. */
function heldBack(lengthBytes: number) {
  let isPaused = false
  const waiting: Buffer[] = []
  const request = {
    pause: () => (isPaused = true),
    resume() {
      isPaused = false
      while (!isPaused && waiting.length > 0) body.accept(waiting.shift() as Buffer)
    },
  }
  const body = new RequestBody(request, { lengthBytes, maxBytes: lengthBytes, settled: () => {} })
  const send = (piece: Buffer): void => {
    if (isPaused) waiting.push(piece)
    else body.accept(piece)
  }
  return { body, send, isPaused: () => isPaused }
}

test('a body is filled into memory of any lengths in order, however it is cut, and whether it comes before it is asked for or after', async () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 700_000 }), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(lengths, lengths, fc.boolean(), async (cuts, targets, isEarly) => {
      const bytes = Buffer.alloc(cuts.reduce((sum, length) => sum + length, 0))
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = at % 251
      const { body, send } = heldBack(bytes.length)
      const sendAll = (): void => {
        let at = 0
        for (const length of cuts) send(Buffer.from(bytes.subarray(at, (at += length))))
      }
      if (isEarly) sendAll()
      else setImmediate(sendAll)
      const filled: Buffer[] = []
      for (let turn = 0; ; turn += 1) {
        const target = Buffer.alloc(targets[turn % targets.length] as number)
        const length = await body.fill(target)
        filled.push(target.subarray(0, length))
        if (length < target.length) break
      }
      assert.ok(Buffer.concat(filled).equals(bytes))
    }),
    { numRuns: 60 },
  )
})

test('a sender is held back while nobody takes what it sends, and goes on once somebody does', async () => {
  const { body, send, isPaused } = heldBack(4 * 1024 * 1024)
  for (let piece = 0; piece < 3; piece += 1) send(Buffer.alloc(512 * 1024))
  assert.ok(isPaused())
  await body.fill(Buffer.alloc(1024 * 1024))
  assert.ok(!isPaused())
})

test('what a body breaks off with, and what its taker throws, ends the taking', async () => {
  const broken = heldBack(8).body
  const filling = broken.fill(Buffer.alloc(8))
  assert.ok(broken.waiting)
  broken.fail(new ShoalError('INCOMPLETE_BODY', 'gone'))
  await assert.rejects(filling, { code: 'INCOMPLETE_BODY' })
  assert.ok(!broken.waiting)

  const { body, send } = heldBack(8)
  const taking = body.each(() => {
    throw new ShoalError('INVALID_ARGUMENT', 'nonsense')
  })
  send(Buffer.alloc(4))
  await assert.rejects(taking, { code: 'INVALID_ARGUMENT' })
})
