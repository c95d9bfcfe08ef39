import assert from 'node:assert/strict'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'node:test'
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
