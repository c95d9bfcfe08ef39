import { readU64, writeU64 } from './keys.ts'

/** What a volume counts; changed in the same transaction as what is counted, so it is exact after any crash. */
export interface Counters {
  /** The next number for an inode or a content. */
  readonly nextId: number
  readonly files: number
  readonly bytes: number
}

/** 1 is the root directory. */
const FIRST_ID = 2

export function encodeCounters(counters: Counters): Buffer {
  const bytes = Buffer.allocUnsafe(24)
  writeU64(bytes, counters.nextId, 0)
  writeU64(bytes, counters.files, 8)
  writeU64(bytes, counters.bytes, 16)
  return bytes
}

export function decodeCounters(bytes: Buffer | undefined): Counters {
  if (bytes === undefined) return { nextId: FIRST_ID, files: 0, bytes: 0 }
  return { nextId: readU64(bytes, 0), files: readU64(bytes, 8), bytes: readU64(bytes, 16) }
}
