// Which ranges of one file one owner has locked: the rules of fcntl(2), without knowing where the ranges are kept.

export type FileLockKind = 'read' | 'write'

/** Bytes `start` to `end`, the last one included; `LOCK_END` stands for however long the file gets. */
export interface LockRange {
  readonly start: bigint
  readonly end: bigint
}

export interface HeldRange extends LockRange {
  readonly kind: FileLockKind
  /** The process that asked for it, on its machine: to be shown, not to be relied upon. */
  readonly pid: number
}

export interface RangeChange extends LockRange {
  readonly kind: FileLockKind | 'unlock'
  readonly pid: number
}

/** The last byte that a file can have: 2^63 - 1. */
export const LOCK_END: bigint = 2n ** 63n - 1n

export const overlaps = (one: LockRange, other: LockRange): boolean => one.start <= other.end && other.start <= one.end

/** Two locks of different owners that can't both be. */
export function excludes(one: LockRange & { readonly kind: string }, other: LockRange & { readonly kind: string }): boolean {
  return (one.kind === 'write' || other.kind === 'write') && overlaps(one, other)
}

/** What the owner has after the change: what it had in the range is replaced, ranges that are cut leave their ends, and ranges of one
 *  kind that touch become one. `held` is in order and disjoint, and so is the answer. */
export function changeRanges(held: readonly HeldRange[], change: RangeChange): HeldRange[] {
  const { kind } = change
  const after = held.flatMap((range) => (overlaps(range, change) ? without(range, change) : [range]))
  if (kind === 'unlock') return after
  const { start, end, pid } = change
  return merged([...after, { start, end, kind, pid }].toSorted((one, other) => (one.start < other.start ? -1 : 1)))
}

function without(range: HeldRange, cut: LockRange): HeldRange[] {
  const left: HeldRange[] = []
  if (range.start < cut.start) left.push({ ...range, end: cut.start - 1n })
  if (range.end > cut.end) left.push({ ...range, start: cut.end + 1n })
  return left
}

function merged(ranges: readonly HeldRange[]): HeldRange[] {
  const out: HeldRange[] = []
  for (const range of ranges) {
    const before = out.at(-1)
    if (before !== undefined && before.kind === range.kind && before.end + 1n >= range.start) {
      out[out.length - 1] = { ...before, end: range.end > before.end ? range.end : before.end }
    } else out.push(range)
  }
  return out
}

/** Whether the owner has every byte of the range in that kind or a stronger one already. */
export function covers(held: readonly HeldRange[], asked: LockRange & { readonly kind: FileLockKind }): boolean {
  let next = asked.start
  for (const { start, end, kind } of held) {
    if (end < next || (asked.kind === 'write' && kind === 'read')) continue
    if (start > next) return false
    if (end >= asked.end) return true
    next = end + 1n
  }
  return false
}

const RANGE_BYTES = 21

/** Each range: start and end (u64), 0 to read or 1 to write, process (u32). */
export function encodeRanges(ranges: readonly HeldRange[]): Buffer {
  const bytes = Buffer.alloc(ranges.length * RANGE_BYTES)
  for (const [index, { start, end, kind, pid }] of ranges.entries()) {
    const at = index * RANGE_BYTES
    bytes.writeBigUInt64BE(start, at)
    bytes.writeBigUInt64BE(end, at + 8)
    bytes[at + 16] = kind === 'write' ? 1 : 0
    bytes.writeUInt32BE(pid, at + 17)
  }
  return bytes
}

/** `undefined` for what is no such value. */
export function tryDecodeRanges(bytes: Buffer): HeldRange[] | undefined {
  if (bytes.length === 0 || bytes.length % RANGE_BYTES !== 0) return undefined
  const ranges: HeldRange[] = []
  for (let at = 0; at < bytes.length; at += RANGE_BYTES) {
    const start = bytes.readBigUInt64BE(at)
    const end = bytes.readBigUInt64BE(at + 8)
    const kind = bytes[at + 16] as number
    const before = ranges.at(-1)
    if (kind > 1 || start > end || end > LOCK_END || (before !== undefined && before.end >= start)) return undefined
    ranges.push({ start, end, kind: kind === 1 ? 'write' : 'read', pid: bytes.readUInt32BE(at + 17) })
  }
  return ranges
}
