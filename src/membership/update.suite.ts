import fc from 'fast-check'
import type { NodeId } from '#foundation/ids.ts'
import { NODE_MODES, NODE_ROLES, type NodeFacts } from './facts.ts'
import { INCARNATION_MAX, type Update } from './update.ts'

const PLAIN = { noNullPrototype: true } as const
const oneOf = (characters: string, maxLength: number) =>
  fc.array(fc.constantFrom(...characters), { minLength: 1, maxLength }).map((all) => all.join(''))
const NAME = 'abcxyzABCXYZ0189._-'
const port = fc.integer({ min: 0, max: 65_535 })

export const anyId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex') as NodeId)
export const anyIncarnation = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: INCARNATION_MAX }), fc.constant(INCARNATION_MAX))

export const anyFacts: fc.Arbitrary<NodeFacts> = fc
  .record(
    {
      host: oneOf('abcz0189.:-', 253),
      nodePort: fc.integer({ min: 1, max: 65_535 }),
      restPort: port,
      s3Port: port,
      roles: fc.subarray([...NODE_ROLES]),
      zone: oneOf(NAME, 64),
      capacityBytes: fc.maxSafeNat(),
      usedBytes: fc.maxSafeNat(),
      version: oneOf(`${NAME}+`, 32),
      protocols: fc.tuple(port, port),
      weightPercent: fc.integer({ min: 0, max: 10_000 }),
      mode: fc.constantFrom(...NODE_MODES),
    },
    PLAIN,
  )
  .map(({ protocols, ...facts }) => ({ ...facts, protocolMin: Math.min(...protocols), protocolMax: Math.max(...protocols) }))

export const anyUpdate: fc.Arbitrary<Update> = fc.oneof(
  fc.record({ kind: fc.constant('alive' as const), id: anyId, incarnation: anyIncarnation, facts: anyFacts }, PLAIN),
  fc.record({ kind: fc.constant('suspect' as const), id: anyId, incarnation: anyIncarnation, from: anyId }, PLAIN),
  fc.record({ kind: fc.constantFrom('dead' as const, 'left' as const), id: anyId, incarnation: anyIncarnation }, PLAIN),
  fc.record({ kind: fc.constant('removed' as const), id: anyId }, PLAIN),
)

/** `bytes` with some of them changed, removed or added. */
export const anyMutation = fc
  .array(fc.record({ at: fc.nat(), how: fc.constantFrom('change', 'cut', 'insert', 'end'), byte: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((edits) => (bytes: Buffer) => {
    let changed = [...bytes]
    for (const { at, how, byte } of edits) {
      const place = at % (changed.length + 1)
      if (how === 'change' && place < changed.length) changed[place] = byte
      if (how === 'cut') changed.splice(place, 1)
      if (how === 'insert') changed.splice(place, 0, byte)
      if (how === 'end') changed = changed.slice(0, place)
    }
    return Buffer.from(changed)
  })

/** The longest that facts can be. */
export const LONGEST_FACTS: NodeFacts = {
  host: 'h'.repeat(253),
  nodePort: 65_535,
  restPort: 65_535,
  s3Port: 65_535,
  roles: [...NODE_ROLES],
  zone: 'z'.repeat(64),
  capacityBytes: Number.MAX_SAFE_INTEGER,
  usedBytes: Number.MAX_SAFE_INTEGER,
  version: 'v'.repeat(32),
  protocolMin: 65_535,
  protocolMax: 65_535,
  weightPercent: 10_000,
  mode: 'draining',
}
