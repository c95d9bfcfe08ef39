// The whole state of a node, as two nodes exchange it over TCP, and its bytes: docs/formats/gossip.md.

import type { ByteReader } from '#foundation/byte-reader.ts'
import { ByteWriter } from '#foundation/byte-writer.ts'
import type { NodeId } from '#foundation/ids.ts'
import { gossipReader, malformed, readId } from './gossip-reader.ts'
import type { NodeFacts } from './facts.ts'
import { INCARNATION_MAX, LIVENESS, type Liveness, readFacts, writeFacts } from './update.ts'

/** Nodes of a cluster, those that are remembered as dead or left included. */
export const MEMBERS_MAX = 1000
/** Ids that were taken away for good: 16 bytes each, kept for ever. */
export const REMOVED_MAX = 4096
/** 1,000 nodes with the longest facts and 4,096 ids, and the seal. */
export const EXCHANGE_BYTES_MAX = 512 * 1024

export interface MemberState {
  readonly id: NodeId
  readonly incarnation: number
  readonly liveness: Liveness
  /** For how long it has been dead or gone; 0 for others. */
  readonly goneForMs: number
  /** What is known of it, of an incarnation that may be older; `undefined` if only its end was heard of. */
  readonly facts: NodeFacts | undefined
  readonly factsIncarnation: number
}

export interface ExchangedState {
  readonly sender: NodeId
  readonly members: readonly MemberState[]
  readonly removed: readonly NodeId[]
}

const HAS_FACTS = 0x10

export function encodeExchange({ sender, members, removed }: ExchangedState): Buffer {
  const writer = new ByteWriter(64 + members.length * 128 + removed.length * 16)
  writer.hex(sender)
  writer.number(members.length)
  for (const { id, incarnation, liveness, goneForMs, facts, factsIncarnation } of members) {
    writer.hex(id)
    writer.byte(LIVENESS.indexOf(liveness) | (facts === undefined ? 0 : HAS_FACTS))
    writer.number(incarnation)
    writer.number(goneForMs)
    if (facts === undefined) continue
    writer.number(factsIncarnation)
    writeFacts(writer, facts)
  }
  writer.number(removed.length)
  for (const id of removed) writer.hex(id)
  return writer.finish()
}

/** @throws INVALID_ARGUMENT */
export function decodeExchange(bytes: Buffer): ExchangedState {
  const reader = gossipReader(bytes)
  const sender = readId(reader)
  const members = Array.from({ length: reader.number(MEMBERS_MAX) }, () => readMember(reader))
  const removed = Array.from({ length: reader.number(REMOVED_MAX) }, () => readId(reader))
  reader.end()
  return { sender, members, removed }
}

/** Whose state it is. @throws INVALID_ARGUMENT */
export function senderOf(bytes: Buffer): NodeId {
  return readId(gossipReader(bytes))
}

function readMember(reader: ByteReader): MemberState {
  const id = readId(reader)
  const flags = reader.byte()
  const liveness = LIVENESS[flags & ~HAS_FACTS]
  if (liveness === undefined) throw malformed('a state is not known')
  const incarnation = reader.number(INCARNATION_MAX)
  const goneForMs = reader.number()
  if ((flags & HAS_FACTS) === 0) {
    if (liveness === 'alive') throw malformed('a node that runs has no facts')
    return { id, incarnation, liveness, goneForMs, facts: undefined, factsIncarnation: 0 }
  }
  const factsIncarnation = reader.number(incarnation)
  return { id, incarnation, liveness, goneForMs, factsIncarnation, facts: readFacts(reader) }
}
