// The records of the journal, described byte by byte in docs/formats/metadata.md.

import { crc32c } from '@node-rs/crc32'
import type { Write } from './write-set.ts'

/** Records begin at multiples of it, so that no write touches a page that holds one that was acknowledged. */
export const PAGE_BYTES = 4096

const MAGIC = 0x53_4a_4c_31
const HEADER_BYTES = 32
const CHECKED_FROM = 8
/** Length of the key, and of the value and one more. */
const WRITE_HEAD_BYTES = 6

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

/** What to write down: how many, the bytes of all keys and values together, and they themselves. */
export interface Writes {
  readonly size: number
  readonly dataBytes: number
  writes(): Iterable<Write>
}

/** What a record takes in the file. */
export function recordBytes({ size, dataBytes }: Pick<Writes, 'size' | 'dataBytes'>): number {
  return Math.ceil((HEADER_BYTES + size * WRITE_HEAD_BYTES + dataBytes) / PAGE_BYTES) * PAGE_BYTES
}

/** Writes a record to the beginning of `target`, which has room for it, and gives its length. */
export function encodeRecord(target: Buffer, { sequence, applied }: RecordHead, writes: Writes): number {
  let at = HEADER_BYTES
  for (const { key, value } of writes.writes()) {
    target.writeUInt16BE(key.length, at)
    target.writeUInt32BE(value === undefined ? 0 : value.length + 1, at + 2)
    target.set(key, at + WRITE_HEAD_BYTES)
    at += WRITE_HEAD_BYTES + key.length
    if (value === undefined) continue
    target.set(value, at)
    at += value.length
  }
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

/** The record that begins at `at`, or `undefined` if there is no whole one. Keys and values are parts of `source`. */
export function decodeRecord(source: Buffer, at: number): JournalRecord | undefined {
  if (at + HEADER_BYTES > source.length || source.readUInt32BE(at) !== MAGIC) return undefined
  const end = at + HEADER_BYTES + source.readUInt32BE(at + 24)
  if (end > source.length || crc32c(source.subarray(at + CHECKED_FROM, end)) !== source.readUInt32BE(at + 4)) return undefined
  const writes: Write[] = []
  for (let from = at + HEADER_BYTES; from < end;) {
    const keyEnd = from + WRITE_HEAD_BYTES + source.readUInt16BE(from)
    const valueBytes = source.readUInt32BE(from + 2) - 1
    const value = valueBytes < 0 ? undefined : source.subarray(keyEnd, keyEnd + valueBytes)
    writes.push({ key: source.subarray(from + WRITE_HEAD_BYTES, keyEnd), value })
    from = keyEnd + (value?.length ?? 0)
  }
  return {
    sequence: Number(source.readBigUInt64BE(at + 8)),
    applied: Number(source.readBigUInt64BE(at + 16)),
    writes,
    lengthBytes: Math.ceil((end - at) / PAGE_BYTES) * PAGE_BYTES,
  }
}
