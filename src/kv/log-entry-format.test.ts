import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { ENTRY_BYTES_MAX } from '#sharedlog/log.ts'
import { nameOfKey } from './key-name.ts'
import { decodeEntry, encodeTermEntry, encodeWriteEntries as encode, LogSteps } from './log-entry-format.ts'
import type { LogStep } from './log-entry-format.ts'
import { WriteSet } from './write-set.ts'

const stateId = Buffer.from('0123456789abcdef')
const encodeWriteEntries = (writes: WriteSet): Buffer[] => encode(stateId, writes)

function writeSet(writes: readonly (readonly [Uint8Array, Uint8Array | undefined])[]): WriteSet {
  const set = new WriteSet()
  for (const [key, value] of writes) set.set(nameOfKey(key), { key, value })
  return set
}

const shown = (writes: WriteSet): unknown[] =>
  [...writes.writes()].map(({ key, value }) => [Buffer.from(key), value === undefined ? undefined : Buffer.from(value)])

/** What `entries` come to, from index 1 on. */
function stepsOf(entries: readonly { readonly epoch: number; readonly bytes: Buffer }[]): LogStep[] {
  const steps = new LogSteps()
  return entries.flatMap(({ epoch, bytes }, at) => {
    const entry = { index: at + 1, epoch, bytes }
    const decoded = decodeEntry(entry)
    assert.deepEqual(decoded.stateId, stateId)
    return steps.take(entry, decoded) ?? []
  })
}

const stepsOfOneEpoch = (...entries: readonly Buffer[]): LogStep[] => stepsOf(entries.map((bytes) => ({ epoch: 1, bytes })))
const hasCode =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    isShoalError(error, code)

const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength })
const large = writeSet([1, 2, 3].map((at) => [Buffer.from(`large ${at}`), Buffer.alloc(ENTRY_BYTES_MAX, at)] as const))

test('any writes come back as they were', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyBytes(20), fc.option(anyBytes(300), { nil: undefined }))), (writes) => {
      const set = writeSet(writes)
      const [step, ...more] = stepsOfOneEpoch(...encodeWriteEntries(set))
      assert.ok(step?.kind === 'writes' && more.length === 0)
      assert.deepEqual(shown(step.writes), shown(set))
    }),
  )
})

test('many bytes are several entries, none too large, that come to one step with the last of them', () => {
  const entries = encodeWriteEntries(large)
  assert.equal(entries.length, 4)
  assert.ok(entries.every(({ length }) => length <= ENTRY_BYTES_MAX))
  const [step, ...more] = stepsOfOneEpoch(...entries)
  assert.ok(step?.kind === 'writes' && more.length === 0 && step.index === 4)
  assert.deepEqual(shown(step.writes), shown(large))
})

test('what was left unfinished never counts, whatever comes after it', () => {
  const unfinished = encodeWriteEntries(large).slice(0, 3)
  const small = encodeWriteEntries(writeSet([[Buffer.from('a'), Buffer.from('1')]]))
  const term = encodeTermEntry(stateId, true)
  const kinds = (steps: readonly LogStep[]): string[] => steps.map(({ kind, index }) => `${kind} ${index}`)
  assert.deepEqual(kinds(stepsOfOneEpoch(...unfinished, ...small)), ['writes 4'])
  assert.deepEqual(kinds(stepsOfOneEpoch(...unfinished, term, ...small)), ['term 4', 'writes 5'])
  const [, second] = encodeWriteEntries(large)
  assert.throws(() => stepsOfOneEpoch(...unfinished, term, second as Buffer), hasCode('CORRUPT'))
  assert.throws(() => stepsOfOneEpoch(second as Buffer), hasCode('CORRUPT'))
  const first = { epoch: 1, bytes: unfinished[0] as Buffer }
  assert.throws(() => stepsOf([first, { epoch: 2, bytes: second as Buffer }]), hasCode('CORRUPT'))
})

test('the beginning of a term says whether the log is all that there is', () => {
  for (const isOnOlderState of [false, true]) {
    assert.deepEqual(stepsOfOneEpoch(encodeTermEntry(stateId, isOnOlderState)), [{ kind: 'term', index: 1, isOnOlderState }])
  }
})

test('an entry with any byte changed is CORRUPT, and one of a newer release DATA_FORMAT', () => {
  const [entry] = encodeWriteEntries(writeSet([[Buffer.from('key'), Buffer.from('value')]])) as [Buffer]
  for (let at = 0; at < entry.length; at += 1) {
    const damaged = Buffer.from(entry)
    damaged[at] = (damaged[at] as number) ^ 0x10
    assert.throws(() => stepsOfOneEpoch(damaged), hasCode('CORRUPT'))
  }
  for (let length = 0; length < entry.length; length += 1) {
    assert.throws(() => stepsOfOneEpoch(entry.subarray(0, length)), hasCode('CORRUPT'))
  }
  const newer = Buffer.from(entry)
  newer[0] = 2
  newer.writeUInt32BE(crc32c(newer.subarray(12), crc32c(newer.subarray(0, 8))), 8)
  assert.throws(() => stepsOfOneEpoch(newer), hasCode('DATA_FORMAT'))
})
