// What nodes tell each other about nodes, and its bytes: docs/formats/gossip.md.

import type { ByteReader } from '#foundation/byte-reader.ts'
import { ByteWriter } from '#foundation/byte-writer.ts'
import type { NodeId } from '#foundation/ids.ts'
import { malformed, readId } from './gossip-reader.ts'
import { checkFacts, NODE_MODES, NODE_ROLES, type NodeFacts, PROTOCOL_MAX, WEIGHT_PERCENT_MAX } from './facts.ts'

/** As milliseconds since 1970 this is the year 10889. A node's first incarnation is the time of its start. */
export const INCARNATION_MAX = 2 ** 48 - 1

/** Whether a node runs, from the weakest word to the strongest: of two words about one incarnation the later counts. */
export const LIVENESS = ['alive', 'suspect', 'dead', 'left'] as const
export type Liveness = (typeof LIVENESS)[number]

export type Update =
  /** Only the node itself makes this one: it is, with these facts. */
  | { readonly kind: 'alive'; readonly id: NodeId; readonly incarnation: number; readonly facts: NodeFacts }
  /** `from` could not reach it. */
  | { readonly kind: 'suspect'; readonly id: NodeId; readonly incarnation: number; readonly from: NodeId }
  | { readonly kind: 'dead' | 'left'; readonly id: NodeId; readonly incarnation: number }
  /** The id belongs to nobody any more, for ever and in every incarnation. */
  | { readonly kind: 'removed'; readonly id: NodeId }

const KINDS = ['alive', 'suspect', 'dead', 'left', 'removed'] as const

export function encodeUpdate(update: Update): Buffer {
  const writer = new ByteWriter(128)
  writer.byte(KINDS.indexOf(update.kind))
  writer.hex(update.id)
  if (update.kind !== 'removed') writer.number(update.incarnation)
  if (update.kind === 'alive') writeFacts(writer, update.facts)
  if (update.kind === 'suspect') writer.hex(update.from)
  return writer.finish()
}

/** @throws INVALID_ARGUMENT */
export function readUpdate(reader: ByteReader): Update {
  const kind = KINDS[reader.byte()]
  if (kind === undefined) throw malformed('an update is of no known kind')
  const id = readId(reader)
  if (kind === 'removed') return { kind, id }
  const incarnation = reader.number(INCARNATION_MAX)
  if (kind === 'alive') return { kind, id, incarnation, facts: readFacts(reader) }
  if (kind === 'suspect') return { kind, id, incarnation, from: readId(reader) }
  return { kind, id, incarnation }
}

export function writeFacts(writer: ByteWriter, facts: NodeFacts): void {
  writer.text(facts.host)
  writer.number(facts.nodePort)
  writer.number(facts.restPort)
  writer.number(facts.s3Port)
  writer.byte(NODE_ROLES.reduce((bits, role, at) => (facts.roles.includes(role) ? bits | (1 << at) : bits), 0))
  writer.byte(NODE_MODES.indexOf(facts.mode))
  writer.text(facts.zone)
  writer.number(facts.capacityBytes)
  writer.number(facts.usedBytes)
  writer.text(facts.version)
  writer.number(facts.protocolMin)
  writer.number(facts.protocolMax)
  writer.number(facts.weightPercent)
}

/** @throws INVALID_ARGUMENT */
export function readFacts(reader: ByteReader): NodeFacts {
  const facts: NodeFacts = {
    host: reader.text(),
    nodePort: reader.number(65_535),
    restPort: reader.number(65_535),
    s3Port: reader.number(65_535),
    roles: rolesOf(reader.byte()),
    mode: NODE_MODES[reader.byte()] ?? failMode(),
    zone: reader.text(),
    capacityBytes: reader.number(),
    usedBytes: reader.number(),
    version: reader.text(),
    protocolMin: reader.number(PROTOCOL_MAX),
    protocolMax: reader.number(PROTOCOL_MAX),
    weightPercent: reader.number(WEIGHT_PERCENT_MAX),
  }
  checkFacts(facts)
  return facts
}

function rolesOf(bits: number): NodeFacts['roles'] {
  if (bits >= 1 << NODE_ROLES.length) throw malformed('a role is not known')
  return NODE_ROLES.filter((_, at) => (bits & (1 << at)) !== 0)
}

function failMode(): never {
  throw malformed('a mode is not known')
}
