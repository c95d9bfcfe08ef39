// What a file occupies: what is stored of it, and what is set aside for it, which may be beyond its end.

import { readU64, writeU64 } from './keys.ts'

/** `[start, end)` of a file. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** Of extents as they stand in a file. */
interface Stored {
  readonly offset: number
  readonly length: number
}

/** Ranges that one file may have set aside, apart from each other. */
export const MAX_RESERVED = 64
export const NOTHING_RESERVED: readonly Span[] = []

/** Bytes that are stored, set aside, or both. All ascending, none overlapping. */
export function occupiedBytes(stored: Iterable<Stored>, reserved: readonly Span[]): number {
  let bytes = reserved.reduce((sum, { start, end }) => sum + end - start, 0)
  let next = 0
  for (const { offset, length } of stored) {
    const end = offset + length
    bytes += length
    while (next < reserved.length && (reserved[next] as Span).end <= offset) next += 1
    for (let at = next; at < reserved.length && (reserved[at] as Span).start < end; at += 1) {
      const range = reserved[at] as Span
      bytes -= Math.min(range.end, end) - Math.max(range.start, offset)
    }
  }
  return bytes
}

/** What of `ranges` lies in a span. */
export function within(ranges: readonly Span[], { start, end }: Span): readonly Span[] {
  const parts = ranges.map((range) => ({ start: Math.max(range.start, start), end: Math.min(range.end, end) }))
  return parts.filter((part) => part.start < part.end)
}

/** `undefined` if they would be too many. */
export function reserving(ranges: readonly Span[], added: Span): readonly Span[] | undefined {
  if (added.end <= added.start) return ranges
  const apart = ranges.filter(({ start, end }) => end < added.start || start > added.end)
  const joined = ranges.filter((range) => !apart.includes(range))
  const start = Math.min(added.start, ...joined.map((range) => range.start))
  const end = Math.max(added.end, ...joined.map((range) => range.end))
  const all = [...apart, { start, end }].toSorted((a, b) => a.start - b.start)
  return all.length > MAX_RESERVED ? undefined : all
}

/** Where they would be too many, what is punched stays set aside. */
export function releasing(ranges: readonly Span[], { start, end }: Span): readonly Span[] {
  if (within(ranges, { start, end }).length === 0) return ranges
  const left = [...within(ranges, { start: 0, end: start }), ...within(ranges, { start: end, end: Infinity })]
  return left.length > MAX_RESERVED ? ranges : left
}

const RANGE_BYTES = 16
const HEAD_BYTES = 9

/** As it stands in a record: how many ranges, the bytes occupied, and the ranges. */
export interface Room {
  readonly occupiedBytes: number
  readonly reserved: readonly Span[]
}

export function roomLength({ reserved }: Room): number {
  return HEAD_BYTES + reserved.length * RANGE_BYTES
}

export function writeRoom(bytes: Buffer, room: Room, at: number): void {
  bytes[at] = room.reserved.length
  writeU64(bytes, room.occupiedBytes, at + 1)
  room.reserved.forEach(({ start, end }, index) => {
    writeU64(bytes, start, at + HEAD_BYTES + index * RANGE_BYTES)
    writeU64(bytes, end, at + HEAD_BYTES + index * RANGE_BYTES + 8)
  })
}

export function readRoomLength(bytes: Buffer, at: number): number {
  return HEAD_BYTES + (bytes[at] ?? 0) * RANGE_BYTES
}

export function readRoom(bytes: Buffer, at: number): Room {
  const from = at + HEAD_BYTES
  const reserved = Array.from({ length: bytes[at] as number }, (_, index) => ({
    start: readU64(bytes, from + index * RANGE_BYTES),
    end: readU64(bytes, from + index * RANGE_BYTES + 8),
  }))
  return { occupiedBytes: readU64(bytes, at + 1), reserved }
}
