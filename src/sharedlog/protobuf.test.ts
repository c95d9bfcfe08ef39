import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ProtobufMessage, ProtobufWriter } from './protobuf.ts'

test('numbers of 64 bits, bytes and messages in messages come back as they were, and what is absent is zero or empty', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.uint8Array({ maxLength: 400 }),
      fc.array(fc.uint8Array({ maxLength: 20 })),
      (long, bytes, many) => {
        const writer = new ProtobufWriter().number(1, long).bytes(2, bytes).bytes(3, undefined)
        for (const one of many) writer.message(70, new ProtobufWriter().bytes(1, one))
        const message = new ProtobufMessage(writer.finish())
        assert.equal(message.long(1), long)
        assert.deepEqual(message.bytes(2), Buffer.from(bytes))
        assert.deepEqual(
          message.messages(70).map((one) => one.bytes(1)),
          many.map((one) => Buffer.from(one)),
        )
        assert.equal(message.number(3), 0)
        assert.equal(message.bytes(4).length, 0)
      },
    ),
  )
})

test('bytes are as the description of the format has them', () => {
  const writer = new ProtobufWriter().number(1, 150).text(2, 'testing').message(3, new ProtobufWriter().number(1, 150))
  assert.equal(writer.finish().toString('hex'), '089601120774657374696e671a03089601')
})

test('fields of other kinds are passed over, and what is cut off or no message is refused', () => {
  const fixed = Buffer.from('0d0100000011020000000000000018072a0161', 'hex')
  const message = new ProtobufMessage(fixed)
  assert.deepEqual([message.number(3), message.bytes(5).toString()], [7, 'a'])
  assert.throws(() => new ProtobufMessage(fixed.subarray(0, fixed.length - 1)), RangeError)
  assert.throws(() => new ProtobufMessage(Buffer.of(0x80)), RangeError)
  assert.throws(() => new ProtobufMessage(Buffer.of(0x0b)), RangeError)
})
