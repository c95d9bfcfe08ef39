import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteWriter } from '#foundation/byte-writer.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { decodeState, encodeState } from './entry-codec.ts'
import { compareVersions, type Content, type EntryState, type EntryValue, formatDot, parseDot, type Version } from './entry.ts'
import type { HybridTime } from './hybrid-clock.ts'
import { decodeReport, encodeReport } from './knowledge.ts'
import type { Body, Message } from './message.ts'
import { decodeMessage, encodeMessage, writeEntry } from './message-codec.ts'
import { entryBytesMax } from './page-filler.ts'

const RUNS = { numRuns: 500 }
const hex = (digits: number) =>
  fc.uint8Array({ minLength: digits / 2, maxLength: digits / 2 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const bytes = (min: number, max = min) => fc.uint8Array({ minLength: min, maxLength: max }).map((array) => Buffer.from(array))
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
const node = hex(32) as fc.Arbitrary<NodeId>
const time = fc.maxSafeNat() as fc.Arbitrary<HybridTime>
const extents = fc.array(record({ chunk: hex(64) as fc.Arbitrary<ChunkId>, lengthBytes: fc.maxSafeNat() }), { maxLength: 4 })
const content: fc.Arbitrary<Content> = fc.oneof(
  record({ kind: fc.constant('inline' as const), bytes: bytes(0, 40) }),
  record({ kind: fc.constantFrom('chunks' as const, 'manifest' as const), extents }),
)
const ns = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const value: fc.Arbitrary<EntryValue> = record({
  type: fc.constantFrom('file' as const, 'directory' as const, 'symlink' as const),
  sizeBytes: fc.maxSafeNat(),
  sha256: fc.option(bytes(32), { nil: undefined }),
  mode: fc.nat(0o7777),
  uid: fc.nat(0xffff_ffff),
  gid: fc.nat(0xffff_ffff),
  mtimeNs: ns,
  btimeNs: ns,
  tags: fc
    .dictionary(fc.string({ unit: 'grapheme', maxLength: 8 }), bytes(0, 8), { maxKeys: 3 })
    .map((tags) => new Map(Object.entries(tags))),
  content,
})
const version: fc.Arbitrary<Version> = fc.oneof(
  record({ time, node, yields: fc.boolean(), value: fc.constant(undefined) }),
  record({ time, node, yields: fc.constant(false), value }),
)
const state: fc.Arbitrary<EntryState> = fc
  .tuple(fc.uniqueArray(version, { maxLength: 4, selector: formatDot }), fc.array(fc.tuple(node, time), { maxLength: 3 }))
  .map(([versions, context]) => ({
    versions: versions.toSorted(compareVersions),
    context: new Map([...new Map(context)].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  }))
const report = fc
  .tuple(
    fc.array(fc.tuple(node, record({ seen: time, acknowledged: time, removedCount: fc.nat(4096), removedSince: time }))),
    fc.array(node),
  )
  .map(([members, removed]) => ({ members: new Map(members), removed }))
const optionalReport = fc.option(report, { nil: undefined })
const path = fc.stringMatching(/^[0-9a-f]{0,4}$/)
const entries = fc.array(record({ volume: fc.constantFrom('', 'docs'), path: fc.constantFrom('a', 'a/\u00ff'), state }), {
  maxLength: 3,
})
const body: fc.Arbitrary<Body> = fc.oneof(
  record({ kind: fc.constant('rumours' as const), entries }),
  record({ kind: fc.constant('heard' as const), news: fc.array(fc.boolean()) }),
  record({ kind: fc.constant('begin' as const), depth: fc.constantFrom(2, 4), report: optionalReport }),
  record({ kind: fc.constant('begun' as const), root: bytes(8), report: optionalReport }),
  record({ kind: fc.constant('compare' as const), paths: fc.array(path) }),
  record({ kind: fc.constant('compared' as const), digests: fc.array(bytes(8)) }),
  record({ kind: fc.constant('list' as const), paths: fc.array(path), after: fc.option(bytes(16), { nil: undefined }) }),
  record({
    kind: fc.constant('listed' as const),
    rows: fc.array(record({ placeHash: bytes(16), digest: bytes(8) })),
    isComplete: fc.boolean(),
  }),
  record({ kind: fc.constant('swap' as const), wants: fc.array(bytes(16)), entries }),
  record({ kind: fc.constant('swapped' as const), served: fc.nat(256), entries }),
  record({ kind: fc.constant('finish' as const), report: optionalReport }),
  record({ kind: fc.constant('done' as const) }),
  record({ kind: fc.constant('uses' as const), chunks: fc.array(hex(64) as fc.Arbitrary<ChunkId>) }),
  record({ kind: fc.constant('used' as const), used: fc.array(fc.boolean()) }),
)
const message: fc.Arbitrary<Message> = record({ from: node, now: time, floor: time, body })

/** Reads, or says what is wrong in the one way that is allowed. */
function tryDecode<T>(decode: (bytes: Buffer) => T, encoded: Buffer): T | undefined {
  try {
    return decode(encoded)
  } catch (error) {
    assert.ok(isShoalError(error, 'INVALID_ARGUMENT'), String(error))
    return undefined
  }
}

test('states, reports and messages come back as they were', () => {
  fc.assert(
    fc.property(state, (it) => assert.deepEqual(decodeState(encodeState(it)), it)),
    RUNS,
  )
  fc.assert(
    fc.property(report, (it) => assert.deepEqual(decodeReport(encodeReport(it)), it)),
    RUNS,
  )
  fc.assert(
    fc.property(message, (it) => assert.deepEqual(decodeMessage(encodeMessage(it)), it)),
    RUNS,
  )
})

test('what an entry takes in a message is never more than is reckoned with', () => {
  fc.assert(
    fc.property(state, (it) => {
      const entry = { volume: 'docs', path: 'a/\u00ff', state: it }
      const writer = new ByteWriter()
      writeEntry(writer, entry)
      assert.ok(writer.length <= entryBytesMax(entry), `${writer.length} and ${entryBytesMax(entry)}`)
    }),
    RUNS,
  )
})

test('bytes that are cut, longer or changed anywhere are refused, or are another message; nothing else happens', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (it, at, change) => {
      const encoded = encodeMessage(it)
      assert.equal(tryDecode(decodeMessage, encoded.subarray(0, at % encoded.length)), undefined)
      assert.equal(tryDecode(decodeMessage, Buffer.concat([encoded, Buffer.of(0)])), undefined)
      const damaged = Buffer.from(encoded)
      damaged[at % damaged.length] = damaged[at % damaged.length]! ^ change
      const decoded = tryDecode(decodeMessage, damaged)
      if (decoded !== undefined) assert.notDeepEqual(decoded, it)
    }),
    RUNS,
  )
})

test('bytes of any kind are read or refused', () => {
  fc.assert(
    fc.property(
      bytes(0, 200),
      (it) => void [tryDecode(decodeMessage, it), tryDecode(decodeState, it), tryDecode(decodeReport, it)],
    ),
    RUNS,
  )
  const headed = bytes(0, 200).map((rest) => Buffer.concat([Buffer.of(1), rest]))
  fc.assert(
    fc.property(headed, (it) => void [tryDecode(decodeMessage, it), tryDecode(decodeState, it)]),
    RUNS,
  )
})

test('a number of items that is not true takes no memory', () => {
  const claim = Buffer.from(`0100${'ab'.repeat(16)}0100ff01`, 'hex')
  assert.equal(tryDecode(decodeMessage, claim), undefined)
})

test('dots in writing come back', () => {
  fc.assert(fc.property(record({ time, node }), (dot) => assert.deepEqual(parseDot(formatDot(dot)), dot)))
  for (const text of ['', 'x', `${'0'.repeat(14)}-`, `${'f'.repeat(14)}-${'0'.repeat(32)}`])
    assert.equal(parseDot(text), undefined)
})
