import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import { FRAME, FrameReader, HEAD_BYTES, encodeFrame, writeHead } from './frames.ts'
import type { Frame, FrameType } from './frames.ts'
import { HEADER_BYTES_MAX } from './limits.ts'
import {
  decodeAnswer,
  decodeError,
  decodeHello,
  decodeRequest,
  decodeWindow,
  encodeAnswer,
  encodeError,
  encodeHello,
  encodeRequest,
  encodeWindow,
} from './messages.ts'
import type { Hello, JsonValue } from './messages.ts'
import { HELLO } from './wire-fixture.suite.ts'

/** What a reader makes of bytes that come in pieces of these sizes: DATA put together again. */
function readAll(bytes: Buffer, pieceBytes: readonly number[]): { frame: Frame; payload: Buffer }[] {
  const read: { frame: Frame; payload: Buffer }[] = []
  const reader = new FrameReader({
    frame: (frame, payload) => void read.push({ frame, payload: Buffer.from(payload) }),
    data: (call, piece, isFirst) => {
      assert.ok(piece.length > 0)
      if (isFirst) read.push({ frame: { type: FRAME.DATA, flags: 0, call }, payload: Buffer.from(piece) })
      else {
        const last = read.at(-1)!
        read[read.length - 1] = { frame: last.frame, payload: Buffer.concat([last.payload, piece]) }
      }
    },
  })
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = pieceBytes[turn % pieceBytes.length] ?? bytes.length
    reader.push(bytes.subarray(at, at + length))
    at += length
  }
  return read
}

const hello = encodeHello(HELLO)
const call = fc.integer({ min: 1, max: 0xffff_ffff })
const method = fc.stringMatching(/^[a-z][A-Za-z0-9]{0,20}(\.[a-z][A-Za-z0-9]{0,20}){0,2}$/)
const header = fc.oneof(
  fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as JsonValue),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
)
const anyFrame: fc.Arbitrary<Buffer> = fc.oneof(
  fc
    .record({ id: call, method, header, hasBody: fc.boolean(), deadlineMs: fc.nat(1e9) })
    .map(({ id, ...request }) => encodeRequest(id, request)),
  fc.record({ id: call, header, hasBody: fc.boolean() }).map(({ id, ...answer }) => encodeAnswer(id, answer)),
  fc
    .tuple(call, fc.uint8Array({ minLength: 1, maxLength: 5_000 }))
    .map(([id, bytes]) => encodeFrame({ type: FRAME.DATA, flags: 0, call: id }, bytes)),
  fc
    .tuple(call, fc.constantFrom<FrameType>(FRAME.END, FRAME.CANCEL))
    .map(([id, type]) => encodeFrame({ type, flags: 0, call: id })),
  fc.tuple(call, fc.nat()).map(([id, credit]) => encodeWindow(id, credit)),
  fc.constant(encodeFrame({ type: FRAME.PING, flags: 0, call: 0 }, Buffer.alloc(8))),
  fc.tuple(fc.nat(9), fc.string()).map(([id, message]) => encodeError(id, new ShoalError('BUSY', message))),
)
const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 })

describe('frames', () => {
  test('whatever pieces they come in, the frames that were sent come out, in order', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), sizes, (frames, pieceBytes) => {
        const read = readAll(Buffer.concat([hello, ...frames]), pieceBytes)
        const again = read.map(({ frame, payload }) => encodeFrame(frame, payload))
        assert.deepEqual(again, [hello, ...frames])
      }),
      { numRuns: 300 },
    )
  })

  test('bytes that were changed, cut or made up are refused with a reason, and never do anything else', () => {
    let refused = 0
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.uint8Array({ maxLength: 40 }),
        sizes,
        (frames, changes, tail, pieceBytes) => {
          const bytes = Buffer.concat([hello, ...frames, tail])
          for (const [at, value] of changes) bytes[at % bytes.length] = value
          try {
            for (const { frame, payload } of readAll(bytes, pieceBytes)) decodeAny(frame, payload)
          } catch (error) {
            assert.ok(isShoalError(error, 'INVALID_ARGUMENT'), String(error))
            assert.match(error.message, /^The other side breaks the protocol between nodes: ./)
            refused += 1
          }
        },
      ),
      { numRuns: 2_000 },
    )
    assert.ok(refused > 500, `only ${refused} were refused`)
  })

  test('a stream that begins with anything but a HELLO is refused', () => {
    const others = [Buffer.from('GET / HTTP/1.1\r\n\r\n'), encodeFrame({ type: FRAME.PING, flags: 0, call: 0 }, Buffer.alloc(8))]
    for (const bytes of others) assert.throws(() => readAll(bytes, [5]), /does not begin with a HELLO/)
  })

  test('a frame that is too long is refused by its head alone', () => {
    const tooLong: readonly [FrameType, number][] = [
      [FRAME.DATA, 1024 * 1024 + 1],
      [FRAME.ANSWER, HEADER_BYTES_MAX + 1],
      [FRAME.PING, 9],
      [FRAME.END, 1],
    ]
    for (const [type, length] of tooLong) {
      const head = Buffer.alloc(HEAD_BYTES)
      writeHead(head, { type, flags: 0, call: type === FRAME.PING ? 0 : 1 }, length)
      assert.throws(() => readAll(Buffer.concat([hello, head]), [1000]), /has .* bytes, not/)
    }
  })
})

describe('messages', () => {
  test('requests and answers come back as they were, with headers of JSON and of bytes', () => {
    fc.assert(
      fc.property(method, header, fc.boolean(), fc.nat(0xffff_ffff), (name, value, hasBody, deadlineMs) => {
        const request = { method: name, header: value, hasBody, deadlineMs }
        const frame = encodeRequest(7, request)
        assert.deepEqual(decodeRequest(frame[5]!, frame.subarray(HEAD_BYTES)), request)
        const answer = encodeAnswer(7, request)
        assert.deepEqual(decodeAnswer(answer[5]!, answer.subarray(HEAD_BYTES)), { header: value, hasBody })
      }),
    )
  })

  test('an error comes back whole: code, message, details, retry class', () => {
    const error = new ShoalError('NO_SPACE', 'The disk is full', { details: { freeBytes: 0, path: '/x', isFull: true } })
    const back = decodeError(encodeError(3, error).subarray(HEAD_BYTES))
    assert.deepEqual([back.code, back.message, back.details, back.retry], [error.code, error.message, error.details, error.retry])
  })

  test('an error whose code a newer release has keeps its retry class', () => {
    for (const retry of ['never', 'after-delay', 'other-replica'] as const) {
      const payload = Buffer.from(
        JSON.stringify({ code: 'SHARD_MOVED', message: 'The shard has moved', retry, details: { shard: 3 } }),
      )
      const back = decodeError(payload)
      assert.deepEqual([back.retry, back.details], [retry, { shard: 3, code: 'SHARD_MOVED' }])
      assert.match(back.message, /The shard has moved \(SHARD_MOVED\)/)
    }
  })

  test('an error with more details than a frame takes loses its details', () => {
    const back = decodeError(
      encodeError(3, new ShoalError('BUSY', 'Wait', { details: { long: 'x'.repeat(70_000) } })).subarray(HEAD_BYTES),
    )
    assert.deepEqual([back.code, back.message, back.details], ['BUSY', 'Wait', {}])
  })

  test('a header over the limit and a name that can not be a method are refused before they are sent', () => {
    const request = { method: 'a.b', header: Buffer.alloc(HEADER_BYTES_MAX + 1), hasBody: false, deadlineMs: 1 }
    assert.throws(() => encodeRequest(1, request), { code: 'TOO_LARGE' })
    for (const name of ['', 'A', 'a..b', 'a b', 'ä', 'a'.repeat(65)])
      assert.throws(() => encodeRequest(1, { ...request, method: name, header: null }), { code: 'INVALID_ARGUMENT' })
  })

  test('a HELLO comes back as it was, and one that says nonsense is refused', () => {
    assert.deepEqual(decodeHello(hello.subarray(HEAD_BYTES)), HELLO)
    const bad: readonly Partial<Record<keyof Hello, unknown>>[] = [
      { versions: { min: 2, max: 1 } },
      { versions: { min: 0, max: 1 } },
      { clusterId: 'x' },
      { nodeId: 7 },
      { software: 'x'.repeat(65) },
    ]
    for (const change of bad) {
      const frame = encodeHello({ ...HELLO, ...change } as Hello)
      assert.throws(() => decodeHello(frame.subarray(HEAD_BYTES)), { code: 'INVALID_ARGUMENT' })
    }
  })
})

function decodeAny({ type, flags }: Frame, payload: Buffer): unknown {
  if (type === FRAME.HELLO) return decodeHello(payload)
  if (type === FRAME.REQUEST) return decodeRequest(flags, payload)
  if (type === FRAME.ANSWER) return decodeAnswer(flags, payload)
  if (type === FRAME.ERROR) return decodeError(payload)
  return type === FRAME.WINDOW ? decodeWindow(payload) : undefined
}
