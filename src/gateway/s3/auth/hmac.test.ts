import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Hmac } from './hmac.ts'

test('any key and any text give the HMAC that node:crypto gives, one after the other', () => {
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ minLength: 1_300, maxLength: 6_000 }))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(text, { minLength: 1, maxLength: 4 }), (key, texts) => {
      const hmac = new Hmac(key)
      for (const each of texts) assert.equal(hmac.sign(each), createHmac('sha256', key).update(each).digest('hex'))
    }),
  )
})
