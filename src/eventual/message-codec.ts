// The bytes of messages: docs/formats/eventual-messages.md.

import type { ByteReader } from '#foundation/byte-reader.ts'
import { ByteWriter } from '#foundation/byte-writer.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { DIGEST_BYTES } from './digest-tree.ts'
import { readState, writeState } from './entry-codec.ts'
import { eventualReader, malformed } from './eventual-reader.ts'
import type { HybridTime } from './hybrid-clock.ts'
import { PATH_BYTES_MAX, PLACE_HASH_BYTES } from './keys.ts'
import { type KnowledgeReport, readReport, writeReport } from './knowledge.ts'
import {
  type Body,
  CHUNKS_MAX,
  type Kind,
  type Message,
  MESSAGE_BYTES_MAX,
  PATHS_MAX,
  ROWS_MAX,
  RUMOURS_MAX,
  SWAP_MAX,
  type TransferredState,
} from './message.ts'

const VERSION = 1
const KINDS: readonly Kind[] = [
  'rumours',
  'heard',
  'begin',
  'begun',
  'compare',
  'compared',
  'list',
  'listed',
  'swap',
  'swapped',
  'finish',
  'done',
  'uses',
  'used',
]
const VOLUME_BYTES_MAX = 63
const DEPTH_MAX = 4

export function encodeMessage({ from, now, floor, body }: Message): Buffer {
  const writer = new ByteWriter(1024)
  writer.byte(VERSION)
  writer.byte(KINDS.indexOf(body.kind))
  writer.hex(from)
  writer.number(now)
  writer.number(floor)
  writeBody(writer, body)
  return writer.finish()
}

/** @throws INVALID_ARGUMENT */
export function decodeMessage(bytes: Buffer): Message {
  if (bytes.length > MESSAGE_BYTES_MAX) throw malformed(`a message has more than ${MESSAGE_BYTES_MAX} bytes`)
  const reader = eventualReader(bytes)
  if (reader.byte() !== VERSION) throw malformed('a message is of another version')
  const kind = KINDS[reader.byte()]
  if (kind === undefined) throw malformed('a kind of message is not known')
  const from = reader.hex(32) as NodeId
  const [now, floor] = [reader.number() as HybridTime, reader.number() as HybridTime]
  const body = readBody(reader, kind)
  reader.end()
  return { from, now, floor, body }
}

function writeBody(writer: ByteWriter, body: Body): void {
  switch (body.kind) {
    case 'rumours':
      return writeEntries(writer, body.entries)
    case 'heard':
      return writeList(writer, body.news, (isNews) => writer.byte(isNews ? 1 : 0))
    case 'begin':
      writer.byte(body.depth)
      return writeOptionalReport(writer, body.report)
    case 'begun':
      writer.raw(body.root)
      return writeOptionalReport(writer, body.report)
    case 'compare':
      return writeList(writer, body.paths, (path) => writePath(writer, path))
    case 'compared':
      return writeList(writer, body.digests, (digest) => writer.raw(digest))
    case 'list':
      writeList(writer, body.paths, (path) => writePath(writer, path))
      return writer.bytes(body.after ?? Buffer.alloc(0))
    case 'listed':
      writeList(writer, body.rows, ({ placeHash, digest }) => {
        writer.raw(placeHash)
        writer.raw(digest)
      })
      return writer.byte(body.isComplete ? 1 : 0)
    case 'swap':
      writeList(writer, body.wants, (placeHash) => writer.raw(placeHash))
      return writeEntries(writer, body.entries)
    case 'swapped':
      writer.number(body.served)
      return writeEntries(writer, body.entries)
    case 'finish':
      return writeOptionalReport(writer, body.report)
    case 'uses':
      return writeList(writer, body.chunks, (chunk) => writer.hex(chunk))
    case 'used':
      return writeList(writer, body.used, (isUsed) => writer.byte(isUsed ? 1 : 0))
    case 'done':
  }
}

function readBody(reader: ByteReader, kind: Kind): Body {
  switch (kind) {
    case 'rumours':
      return { kind, entries: readEntries(reader, RUMOURS_MAX) }
    case 'heard':
      return { kind, news: reader.list(RUMOURS_MAX, () => reader.byte(1) === 1) }
    case 'begin':
      return { kind, depth: readDepth(reader), report: readOptionalReport(reader) }
    case 'begun':
      return { kind, root: reader.raw(DIGEST_BYTES), report: readOptionalReport(reader) }
    case 'compare':
      return { kind, paths: reader.list(PATHS_MAX, () => readPath(reader)) }
    case 'compared':
      return { kind, digests: reader.list(PATHS_MAX * 16, () => reader.raw(DIGEST_BYTES)) }
    case 'list':
      return { kind, paths: reader.list(PATHS_MAX, () => readPath(reader)), after: readAfter(reader) }
    case 'listed': {
      const rows = reader.list(ROWS_MAX, () => ({ placeHash: reader.raw(PLACE_HASH_BYTES), digest: reader.raw(DIGEST_BYTES) }))
      return { kind, rows, isComplete: reader.byte(1) === 1 }
    }
    case 'swap':
      return { kind, wants: reader.list(SWAP_MAX, () => reader.raw(PLACE_HASH_BYTES)), entries: readEntries(reader, SWAP_MAX) }
    case 'swapped':
      return { kind, served: reader.number(SWAP_MAX), entries: readEntries(reader, SWAP_MAX * 2) }
    case 'finish':
      return { kind, report: readOptionalReport(reader) }
    case 'uses':
      return { kind, chunks: reader.list(CHUNKS_MAX, () => reader.hex(64) as ChunkId) }
    case 'used':
      return { kind, used: reader.list(CHUNKS_MAX, () => reader.byte(1) === 1) }
    case 'done':
      return { kind }
  }
}

function writeList<T>(writer: ByteWriter, items: readonly T[], write: (item: T) => void): void {
  writer.number(items.length)
  for (const item of items) write(item)
}

export function writeEntry(writer: ByteWriter, { volume, path, state }: TransferredState): void {
  writer.bytes(Buffer.from(volume, 'latin1'))
  writer.bytes(Buffer.from(path, 'latin1'))
  writeState(writer, state)
}

function writeEntries(writer: ByteWriter, entries: readonly TransferredState[]): void {
  writeList(writer, entries, (entry) => writeEntry(writer, entry))
}

function readEntries(reader: ByteReader, max: number): TransferredState[] {
  return reader.list(max, () => {
    const volume = reader.bytes(VOLUME_BYTES_MAX).toString('latin1')
    if (!/^[a-z0-9.-]*$/.test(volume)) throw malformed('a volume has a name that none can have')
    const path = reader.bytes(PATH_BYTES_MAX).toString('latin1')
    if (path === '') throw malformed('a path is empty')
    return { volume, path, state: readState(reader) }
  })
}

/** Up to four nibbles, a byte each. */
function writePath(writer: ByteWriter, path: string): void {
  writer.byte(path.length)
  for (const nibble of path) writer.byte(Number.parseInt(nibble, 16))
}

function readPath(reader: ByteReader): string {
  let path = ''
  for (let left = reader.byte(DEPTH_MAX); left > 0; left -= 1) path += reader.byte(15).toString(16)
  return path
}

function readAfter(reader: ByteReader): Buffer | undefined {
  const after = reader.bytes(PLACE_HASH_BYTES)
  if (after.length === 0) return undefined
  if (after.length !== PLACE_HASH_BYTES) throw malformed('a hash is too short')
  return after
}

function readDepth(reader: ByteReader): number {
  const depth = reader.byte(DEPTH_MAX)
  if (depth !== 2 && depth !== 4) throw malformed('a tree of digests has another depth')
  return depth
}

function writeOptionalReport(writer: ByteWriter, report: KnowledgeReport | undefined): void {
  writer.byte(report === undefined ? 0 : 1)
  if (report !== undefined) writeReport(writer, report)
}

function readOptionalReport(reader: ByteReader): KnowledgeReport | undefined {
  return reader.byte(1) === 1 ? readReport(reader) : undefined
}
