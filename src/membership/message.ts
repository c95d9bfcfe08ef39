// The plain contents of a packet, and its bytes: docs/formats/gossip.md.

import type { ByteReader } from '#foundation/byte-reader.ts'
import { ByteWriter } from '#foundation/byte-writer.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Address } from '#platform/datagrams.ts'
import { gossipReader, malformed, readId } from './gossip-reader.ts'
import { readUpdate, type Update } from './update.ts'

/** Below what every path on the internet carries in one piece (1,500 bytes of Ethernet less headers, tunnels included). */
export const PACKET_BYTES_MAX = 1400
/** Sequence numbers of probes are below it. */
export const SEQUENCE_LIMIT = 2 ** 32

export type Message =
  /** Are you `target`? Answer with an ack. */
  | { readonly kind: 'ping'; readonly sequence: number; readonly target: NodeId }
  /** Please ping `target` for me, and pass on its ack; say nack if there is none. */
  | { readonly kind: 'ping-request'; readonly sequence: number; readonly target: NodeId; readonly address: Address }
  | { readonly kind: 'ack' | 'nack'; readonly sequence: number }
  /** Nothing but updates. */
  | { readonly kind: 'gossip' }

export interface Packet {
  readonly sender: NodeId
  readonly message: Message
  readonly updates: readonly Update[]
}

const KINDS = ['ping', 'ping-request', 'ack', 'nack', 'gossip'] as const

/** @param updatesFor the updates to send along, each as `encodeUpdate` made it, given the bytes in front of them */
export function encodePacket(sender: NodeId, message: Message, updatesFor: (headBytes: number) => readonly Uint8Array[]): Buffer {
  const writer = new ByteWriter(PACKET_BYTES_MAX)
  writer.byte(KINDS.indexOf(message.kind))
  writer.hex(sender)
  if (message.kind !== 'gossip') writer.number(message.sequence)
  if (message.kind === 'ping' || message.kind === 'ping-request') writer.hex(message.target)
  if (message.kind === 'ping-request') {
    writer.text(message.address.host)
    writer.number(message.address.port)
  }
  for (const update of updatesFor(writer.length)) writer.raw(update)
  return writer.finish()
}

/** @throws INVALID_ARGUMENT */
export function decodePacket(bytes: Buffer): Packet {
  const reader = gossipReader(bytes)
  const kind = KINDS[reader.byte()]
  if (kind === undefined) throw malformed('a message is of no known kind')
  const sender = readId(reader)
  const message = readMessage(reader, kind)
  const updates: Update[] = []
  while (!reader.isAtEnd) updates.push(readUpdate(reader))
  return { sender, message, updates }
}

function readMessage(reader: ByteReader, kind: Message['kind']): Message {
  if (kind === 'gossip') return { kind }
  const sequence = reader.number(SEQUENCE_LIMIT - 1)
  if (kind === 'ack' || kind === 'nack') return { kind, sequence }
  const target = readId(reader)
  if (kind === 'ping') return { kind, sequence, target }
  const host = reader.text()
  const port = reader.number(65_535)
  if (host === '' || port === 0) throw malformed('an address is empty')
  return { kind, sequence, target, address: { host, port } }
}
