import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import {
  decodeExchange,
  encodeExchange,
  EXCHANGE_BYTES_MAX,
  type ExchangedState,
  MEMBERS_MAX,
  type MemberState,
  REMOVED_MAX,
} from './exchange.ts'
import { checkFacts } from './facts.ts'
import { SEAL_BYTES } from './gossip-seal.ts'
import { decodePacket, encodePacket, type Message, PACKET_BYTES_MAX, type Packet, SEQUENCE_LIMIT } from './message.ts'
import { encodeUpdate, INCARNATION_MAX, LIVENESS } from './update.ts'
import { anyFacts, anyId, anyIncarnation, anyMutation, anyUpdate, LONGEST_FACTS } from './update.suite.ts'

const PLAIN = { noNullPrototype: true } as const
const sequence = fc.integer({ min: 0, max: SEQUENCE_LIMIT - 1 })
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ kind: fc.constant('ping' as const), sequence, target: anyId }, PLAIN),
  fc.record(
    {
      kind: fc.constant('ping-request' as const),
      sequence,
      target: anyId,
      address: fc.record({ host: anyFacts.map(({ host }) => host), port: fc.integer({ min: 1, max: 65_535 }) }, PLAIN),
    },
    PLAIN,
  ),
  fc.record({ kind: fc.constantFrom('ack' as const, 'nack' as const), sequence }, PLAIN),
  fc.constant<Message>({ kind: 'gossip' }),
)
const anyPacket: fc.Arbitrary<Packet> = fc.record(
  { sender: anyId, message: anyMessage, updates: fc.array(anyUpdate, { maxLength: 5 }) },
  PLAIN,
)
const anyMember: fc.Arbitrary<MemberState> = fc
  .record({ id: anyId, incarnation: anyIncarnation, goneForMs: fc.maxSafeNat(), facts: anyFacts, older: fc.nat(1000) }, PLAIN)
  .chain(({ older, ...state }) => {
    const known = { ...state, factsIncarnation: Math.max(0, state.incarnation - older) }
    const unknown = { ...state, facts: undefined, factsIncarnation: 0 }
    return fc.oneof(
      fc.constantFrom(...LIVENESS).map((liveness) => ({ ...known, liveness })),
      fc.constantFrom('dead' as const, 'left' as const).map((liveness) => ({ ...unknown, liveness })),
    )
  })
const anyState: fc.Arbitrary<ExchangedState> = fc.record(
  { sender: anyId, members: fc.array(anyMember, { maxLength: 8 }), removed: fc.array(anyId, { maxLength: 5 }) },
  PLAIN,
)

const bytesOf = ({ sender, message, updates }: Packet) => encodePacket(sender, message, () => updates.map(encodeUpdate))

test('a packet that is read is what was written', () => {
  fc.assert(fc.property(anyPacket, (packet) => assert.deepEqual(decodePacket(bytesOf(packet)), packet)))
})

test('a state that is read is what was written', () => {
  fc.assert(fc.property(anyState, (state) => assert.deepEqual(decodeExchange(encodeExchange(state)), state)))
})

test('bytes that were changed are refused, or are exactly what would be written for what they say', () => {
  let accepted = 0
  const check = <T>(bytes: Buffer, decode: (bytes: Buffer) => T, encode: (value: T) => Buffer) => {
    let value: T
    try {
      value = decode(bytes)
    } catch (error) {
      assert.ok(isShoalError(error, 'INVALID_ARGUMENT'), `thrown was ${String(error)}`)
      return
    }
    accepted += 1
    assert.deepEqual(encode(value), bytes)
  }
  fc.assert(
    fc.property(anyPacket, anyState, anyMutation, (packet, state, mutate) => {
      check(mutate(bytesOf(packet)), decodePacket, bytesOf)
      check(mutate(encodeExchange(state)), decodeExchange, encodeExchange)
    }),
    { numRuns: 2000 },
  )
  assert.ok(accepted > 100, `only ${accepted} were accepted`)
})

test('random bytes are refused or read, and nothing else happens', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decode of [decodePacket, decodeExchange]) {
        try {
          decode(Buffer.from(bytes))
        } catch (error) {
          assert.ok(isShoalError(error, 'INVALID_ARGUMENT'))
        }
      }
    }),
  )
})

test('two of the longest updates fit into any packet, and the largest state into an exchange', () => {
  const id = 'f'.repeat(32) as NodeId
  checkFacts(LONGEST_FACTS)
  const update = encodeUpdate({ kind: 'alive', id, incarnation: INCARNATION_MAX, facts: LONGEST_FACTS })
  const message: Message = {
    kind: 'ping-request',
    sequence: SEQUENCE_LIMIT - 1,
    target: id,
    address: { host: LONGEST_FACTS.host, port: 65_535 },
  }
  assert.ok(encodePacket(id, message, () => [update, update]).length + SEAL_BYTES <= PACKET_BYTES_MAX)
  const member: MemberState = {
    ...{ id, incarnation: INCARNATION_MAX, liveness: 'left', goneForMs: Number.MAX_SAFE_INTEGER },
    ...{ facts: LONGEST_FACTS, factsIncarnation: INCARNATION_MAX },
  }
  const members = Array.from({ length: MEMBERS_MAX }, () => member)
  const state = encodeExchange({ sender: id, members, removed: Array.from({ length: REMOVED_MAX }, () => id) })
  assert.ok(state.length + SEAL_BYTES <= EXCHANGE_BYTES_MAX, `${state.length} bytes`)
  assert.equal(decodeExchange(state).members.length, MEMBERS_MAX)
})

test('a fact that is too long, too large or of an unknown kind is refused, and named', () => {
  const wrong = [
    { host: '' },
    { host: 'h'.repeat(254) },
    { host: 'a b' },
    { nodePort: 0 },
    { restPort: 65_536 },
    { zone: 'z'.repeat(65) },
    { version: 'é' },
    { capacityBytes: -1 },
    { usedBytes: 1.5 },
    { weightPercent: 10_001 },
    { protocolMin: 2, protocolMax: 1 },
    { roles: ['store', 'store'] as const },
  ]
  for (const changes of wrong) {
    const name = Object.keys(changes)[0] as string
    assert.throws(
      () => checkFacts({ ...LONGEST_FACTS, ...changes }),
      (error) => isShoalError(error, 'INVALID_ARGUMENT') && error.message.includes(name),
    )
  }
})
