// The records of the journal, described byte by byte in docs/formats/metadata.md.

import { crc32c } from '@node-rs/crc32'
import { decodeWrites, encodedBytes, encodeWrites } from './write-codec.ts'
import type { Writes } from './write-codec.ts'
import type { Write } from './write-set.ts'

/** Records begin at multiples of it, so that no write touches a page that holds one that was acknowledged. */
export const PAGE_BYTES = 4096

const MAGIC = 0x53_4a_4c_31
const HEADER_BYTES = 32
const CHECKED_FROM = 8

export interface RecordHead {
  /** Records are numbered without gaps. */
  readonly sequence: number
  /** Everything up to this record is in the store that the journal is for, durably. */
  readonly applied: number
}

export interface JournalRecord extends RecordHead {
  readonly writes: readonly Write[]
  /** What it takes in the file. */
  readonly lengthBytes: number
}

/** What a record takes in the file. */
export function recordBytes(writes: Pick<Writes, 'size' | 'dataBytes'>): number {
  return Math.ceil((HEADER_BYTES + encodedBytes(writes)) / PAGE_BYTES) * PAGE_BYTES
}

/** Writes a record to the beginning of `target`, which has room for it, and gives its length. */
export function encodeRecord(target: Buffer, { sequence, applied }: RecordHead, writes: Writes): number {
  const at = encodeWrites(target, HEADER_BYTES, writes)
  target.writeUInt32BE(MAGIC, 0)
  target.writeBigUInt64BE(BigInt(sequence), 8)
  target.writeBigUInt64BE(BigInt(applied), 16)
  target.writeUInt32BE(at - HEADER_BYTES, 24)
  target.writeUInt32BE(writes.size, 28)
  target.writeUInt32BE(crc32c(target.subarray(CHECKED_FROM, at)), 4)
  const end = Math.ceil(at / PAGE_BYTES) * PAGE_BYTES
  target.fill(0, at, end)
  return end
}

/** Where the record ends that `source` begins with, by what it says itself; `undefined` if it begins with none. */
export function recordEnd(source: Buffer): number | undefined {
  if (source.length < HEADER_BYTES || source.readUInt32BE(0) !== MAGIC) return undefined
  return HEADER_BYTES + source.readUInt32BE(24)
}

/** The record that begins at `at`, or `undefined` if there is no whole one. Keys and values are parts of `source`. */
export function decodeRecord(source: Buffer, at: number): JournalRecord | undefined {
  if (at + HEADER_BYTES > source.length || source.readUInt32BE(at) !== MAGIC) return undefined
  const end = at + HEADER_BYTES + source.readUInt32BE(at + 24)
  if (end > source.length || crc32c(source.subarray(at + CHECKED_FROM, end)) !== source.readUInt32BE(at + 4)) return undefined
  return {
    sequence: Number(source.readBigUInt64BE(at + 8)),
    applied: Number(source.readBigUInt64BE(at + 16)),
    writes: decodeWrites(source, at + HEADER_BYTES, end),
    lengthBytes: Math.ceil((end - at) / PAGE_BYTES) * PAGE_BYTES,
  }
}
