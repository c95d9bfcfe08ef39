// The bytes of what is known of a path, in rows and in messages: docs/formats/eventual.md.

import type { ByteReader } from '#foundation/byte-reader.ts'
import { ByteWriter } from '#foundation/byte-writer.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import {
  type Content,
  compareVersions,
  ENTRY_TYPES,
  type EntryState,
  type EntryValue,
  EXTENTS_MAX,
  INLINE_BYTES_MAX,
  TAG_BYTES_MAX,
  TAGS_MAX,
  type Version,
} from './entry.ts'
import { eventualReader, malformed } from './eventual-reader.ts'
import type { HybridTime } from './hybrid-clock.ts'

const FORMAT = 1
/** Versions of a path before pruning: a node prunes before it keeps or sends a state. */
export const VERSIONS_MAX = 64
/** As many as there can be nodes. */
export const CONTEXT_MAX = 4096
const YIELDS = 1
const HAS_VALUE = 2
const HAS_DIGEST = 4
const CONTENT_KINDS = ['inline', 'chunks', 'manifest'] as const
const MODE_MAX = 0o7777
const ID_MAX = 0xffff_ffff

export function encodeState(state: EntryState): Buffer {
  const writer = new ByteWriter()
  writeState(writer, state)
  return writer.finish()
}

/** @throws INVALID_ARGUMENT */
export function decodeState(bytes: Buffer): EntryState {
  const reader = eventualReader(bytes)
  const state = readState(reader)
  reader.end()
  return state
}

export function writeState(writer: ByteWriter, { versions, context }: EntryState): void {
  writer.byte(FORMAT)
  writer.number(versions.length)
  for (const version of versions) writeVersion(writer, version)
  writer.number(context.size)
  for (const [node, time] of context) {
    writer.hex(node)
    writer.number(time)
  }
}

export function readState(reader: ByteReader): EntryState {
  if (reader.byte() !== FORMAT) throw malformed('its format is not known')
  const versions = reader.list(VERSIONS_MAX, () => readVersion(reader))
  for (const [at, version] of versions.entries()) {
    const before = versions[at - 1]
    if (before !== undefined && compareVersions(before, version) >= 0) throw malformed('versions are not in order')
  }
  let last = ''
  const context = reader.list(CONTEXT_MAX, () => {
    const node = reader.hex(32)
    if (node <= last) throw malformed('a context is not in order')
    last = node
    return [node as NodeId, reader.number() as HybridTime] as const
  })
  return { versions, context: new Map(context) }
}

function writeVersion(writer: ByteWriter, { time, node, yields, value }: Version): void {
  writer.number(time)
  writer.hex(node)
  writer.byte((yields ? YIELDS : 0) | (value === undefined ? 0 : HAS_VALUE) | (value?.sha256 === undefined ? 0 : HAS_DIGEST))
  if (value !== undefined) writeValue(writer, value)
}

function readVersion(reader: ByteReader): Version {
  const time = reader.number() as HybridTime
  const node = reader.hex(32) as NodeId
  const flags = reader.byte(YIELDS | HAS_VALUE | HAS_DIGEST)
  const hasValue = (flags & HAS_VALUE) !== 0
  const yields = (flags & YIELDS) !== 0
  if (hasValue ? yields : (flags & HAS_DIGEST) !== 0) throw malformed('a version contradicts itself')
  return { time, node, yields, value: hasValue ? readValue(reader, (flags & HAS_DIGEST) !== 0) : undefined }
}

export function writeValue(writer: ByteWriter, value: EntryValue): void {
  writer.byte(ENTRY_TYPES.indexOf(value.type))
  writer.number(value.sizeBytes)
  if (value.sha256 !== undefined) writer.raw(value.sha256)
  writer.number(value.mode)
  writer.number(value.uid)
  writer.number(value.gid)
  writer.signed64(value.mtimeNs)
  writer.signed64(value.btimeNs)
  writer.number(value.tags.size)
  for (const [name, bytes] of value.tags) {
    writer.bytes(Buffer.from(name, 'utf8'))
    writer.bytes(bytes)
  }
  writeContent(writer, value.content)
}

function readValue(reader: ByteReader, hasDigest: boolean): EntryValue {
  const type = ENTRY_TYPES[reader.byte()]
  if (type === undefined) throw malformed('a type is not known')
  const sizeBytes = reader.number()
  const sha256 = hasDigest ? reader.raw(32) : undefined
  const mode = reader.number(MODE_MAX)
  const uid = reader.number(ID_MAX)
  const gid = reader.number(ID_MAX)
  const mtimeNs = reader.signed64()
  const btimeNs = reader.signed64()
  const tags = readTags(reader)
  return { type, sizeBytes, sha256, mode, uid, gid, mtimeNs, btimeNs, tags, content: readContent(reader) }
}

function readTags(reader: ByteReader): Map<string, Buffer> {
  let room = TAG_BYTES_MAX
  const tags = reader.list(TAGS_MAX, () => {
    const name = reader.bytes(room)
    room -= name.length
    const bytes = reader.bytes(room)
    room -= bytes.length
    return [name.toString('utf8'), bytes] as const
  })
  return new Map(tags)
}

function writeContent(writer: ByteWriter, content: Content): void {
  writer.byte(CONTENT_KINDS.indexOf(content.kind))
  if (content.kind === 'inline') {
    writer.bytes(content.bytes)
    return
  }
  writer.number(content.extents.length)
  for (const { chunk, lengthBytes } of content.extents) {
    writer.hex(chunk)
    writer.number(lengthBytes)
  }
}

function readContent(reader: ByteReader): Content {
  const kind = CONTENT_KINDS[reader.byte()]
  if (kind === undefined) throw malformed('a kind of content is not known')
  if (kind === 'inline') return { kind, bytes: reader.bytes(INLINE_BYTES_MAX) }
  const extents = reader.list(EXTENTS_MAX, () => ({ chunk: reader.hex(64) as ChunkId, lengthBytes: reader.number() }))
  return { kind, extents }
}
