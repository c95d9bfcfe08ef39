// The encoded layout, described byte by byte in docs/formats/layout.md.

import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { COPIES_MAX, LAYOUT_NODES_MAX, Layout, PARTITION_BITS_MAX } from './layout.ts'
import type { LayoutNode } from './layout.ts'

const MAGIC = Buffer.from('SLY1')
const DIGEST_BYTES = 8
const CHECKED_FROM = MAGIC.length + DIGEST_BYTES
const HEADER_BYTES = 28
/** The id, the zone's index, the capacity and the weight. */
const NODE_BYTES = 16 + 2 + 8 + 8
/** So many nodes have indexes of one byte. */
const NARROW_NODES_MAX = 256

/** About 12 KiB for 4,096 partitions of three copies on up to 256 nodes, 24 KiB beyond, and 34 bytes a node. Equal layouts have
 *  equal encodings. */
export function encodeLayout(layout: Layout): Buffer {
  const { nodes, assignment } = layout
  const names = [...new Set(nodes.map(({ zone }) => zone))].toSorted()
  const zones = names.map((name) => Buffer.from(name))
  const zonesBytes = zones.reduce((sum, zone) => sum + 1 + zone.length, 0)
  const indexBytes = nodes.length <= NARROW_NODES_MAX ? 1 : 2
  const bytes = Buffer.alloc(HEADER_BYTES + zonesBytes + nodes.length * NODE_BYTES + assignment.length * indexBytes)
  bytes.set(MAGIC, 0)
  bytes.writeBigUInt64BE(BigInt(layout.version), 12)
  bytes.writeUInt8(layout.partitionBits, 20)
  bytes.writeUInt8(layout.copies, 21)
  bytes.writeUInt8(layout.zones, 22)
  bytes.writeUInt8(indexBytes, 23)
  bytes.writeUInt16BE(zones.length, 24)
  bytes.writeUInt16BE(nodes.length, 26)
  let at = HEADER_BYTES
  for (const zone of zones) {
    bytes.writeUInt8(zone.length, at)
    bytes.set(zone, at + 1)
    at += 1 + zone.length
  }
  for (const { id, zone, capacityBytes, weight } of nodes) {
    bytes.write(id, at, 'hex')
    bytes.writeUInt16BE(names.indexOf(zone), at + 16)
    bytes.writeBigUInt64BE(BigInt(capacityBytes), at + 18)
    bytes.writeDoubleBE(weight, at + 26)
    at += NODE_BYTES
  }
  for (const index of assignment) at = bytes.writeUIntBE(index, at, indexBytes)
  bytes.set(digestOf(bytes), MAGIC.length)
  return bytes
}

/** @throws DATA_FORMAT if these are not the bytes of a layout, or of a later format */
export function decodeLayout(bytes: Buffer): Layout {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw malformed('they begin otherwise')
  if (!digestOf(bytes).equals(bytes.subarray(MAGIC.length, CHECKED_FROM))) throw malformed('their digest is another one')
  const source = new Source(bytes, HEADER_BYTES)
  const partitionBits = bytes.readUInt8(20)
  const copies = bytes.readUInt8(21)
  const indexBytes = bytes.readUInt8(23)
  const nodeCount = bytes.readUInt16BE(26)
  if (partitionBits < 1 || partitionBits > PARTITION_BITS_MAX) throw malformed(`it has 2^${partitionBits} partitions`)
  if (copies < 1 || copies > COPIES_MAX || nodeCount > LAYOUT_NODES_MAX) throw malformed('its numbers are out of bounds')
  if (indexBytes !== (nodeCount <= NARROW_NODES_MAX ? 1 : 2)) throw malformed('its indexes have an odd width')
  const names = Array.from({ length: bytes.readUInt16BE(24) }, () => source.take(source.take(1).readUInt8()).toString())
  const nodes = Array.from({ length: nodeCount }, (): LayoutNode => {
    const row = source.take(NODE_BYTES)
    const zone = names[row.readUInt16BE(16)]
    if (zone === undefined) throw malformed('a node is in no zone')
    const id = row.toString('hex', 0, 16) as NodeId
    return { id, zone, capacityBytes: Number(row.readBigUInt64BE(18)), weight: row.readDoubleBE(26) }
  })
  const assignment = new Uint16Array(2 ** partitionBits * Math.min(copies, nodeCount))
  const indexes = source.take(assignment.length * indexBytes)
  for (let at = 0; at < assignment.length; at += 1) {
    const index = indexes.readUIntBE(at * indexBytes, indexBytes)
    if (index >= nodeCount) throw malformed('a partition is assigned to no node')
    assignment[at] = index
  }
  if (!source.isAtEnd()) throw malformed('there are more of them')
  const version = Number(bytes.readBigUInt64BE(12))
  return new Layout({ version, partitionBits, copies, zones: bytes.readUInt8(22), nodes, assignment })
}

class Source {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw malformed('there are too few of them')
    const part = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return part
  }

  isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }
}

function digestOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes.subarray(CHECKED_FROM)).digest().subarray(0, DIGEST_BYTES)
}

function malformed(why: string): ShoalError {
  return new ShoalError('DATA_FORMAT', `These bytes are no layout that this version can read: ${why}`)
}
