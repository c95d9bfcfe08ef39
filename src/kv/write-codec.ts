// Writes as bytes, one after another: u16 length of the key, u32 length of the value and one more (0 removes the key), the
// key, the value. Journal records and log entries have them so: docs/formats/journal.md, docs/formats/log-entry.md.

import type { Write } from './write-set.ts'

const WRITE_HEAD_BYTES = 6

/** What to write down: how many, the bytes of all keys and values together, and they themselves. */
export interface Writes {
  readonly size: number
  readonly dataBytes: number
  writes(): Iterable<Write>
}

/** What they take. */
export function encodedBytes({ size, dataBytes }: Pick<Writes, 'size' | 'dataBytes'>): number {
  return size * WRITE_HEAD_BYTES + dataBytes
}

/** Writes them to `target` from `from` on, and gives where they end. */
export function encodeWrites(target: Buffer, from: number, writes: Writes): number {
  let at = from
  for (const { key, value } of writes.writes()) {
    target.writeUInt16BE(key.length, at)
    target.writeUInt32BE(value === undefined ? 0 : value.length + 1, at + 2)
    target.set(key, at + WRITE_HEAD_BYTES)
    at += WRITE_HEAD_BYTES + key.length
    if (value === undefined) continue
    target.set(value, at)
    at += value.length
  }
  return at
}

/** The writes that lie in `source` between `from` and `end`, as parts of it. */
export function decodeWrites(source: Buffer, from: number, end: number): Write[] {
  const writes: Write[] = []
  for (let at = from; at < end;) {
    const keyEnd = at + WRITE_HEAD_BYTES + source.readUInt16BE(at)
    const valueBytes = source.readUInt32BE(at + 2) - 1
    const value = valueBytes < 0 ? undefined : source.subarray(keyEnd, keyEnd + valueBytes)
    writes.push({ key: source.subarray(at + WRITE_HEAD_BYTES, keyEnd), value })
    at = keyEnd + (value?.length ?? 0)
  }
  return writes
}
