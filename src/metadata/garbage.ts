// The list of rows that are to be taken apart in small steps: what was replaced or removed, and what is being prepared.
//
// It is in the order in which its rows were made, by number and not by time, since clocks go back: a volume's row must stay
// behind those of its contents that own no chunks, or it would let go of chunks that they never had.

import type { Snapshot, Transaction } from '#kv/store.ts'
import {
  garbageContentKey,
  type KeyPrefix,
  kindRange,
  KIND,
  readGarbageContentKey,
  readU64,
  SYSTEM_PREFIX,
  writeU64,
} from './keys.ts'

export interface ContentGarbage {
  readonly key: Buffer
  readonly prefix: KeyPrefix
  /** 8 bytes for a content, 16 for an upload session, none for a whole volume. */
  readonly what: Buffer
  readonly discardedAtMs: number
  /** The rows hold references to their chunks, which are to be let go. */
  readonly ownsChunks: boolean
}

const VALUE_BYTES = 9
const OWNS = 0
const OWNS_NOT = 1
/** Up to format 1 of the data folder, the value of rows that own no chunks; the number in the key was the time then. */
const OWNS_NOT_1 = Buffer.from('moved')

export interface DiscardedRows {
  readonly prefix: KeyPrefix
  readonly what: Buffer
  readonly nowMs: number
  /** False for rows whose chunks belong to others by now, or never were theirs. */
  readonly ownsChunks?: boolean
}

/** Puts rows onto the list, and gives the key under which they are on it. */
export function discardRows(tx: Transaction, { prefix, what, nowMs, ownsChunks = true }: DiscardedRows): Buffer {
  const key = garbageContentKey(nextNumber(tx), prefix, what)
  tx.put(key, encode(nowMs, ownsChunks))
  return key
}

/** The same rows, as if they had been discarded only now. */
export function discardAnew(tx: Transaction, { key, ownsChunks }: ContentGarbage, nowMs: number): void {
  tx.put(key, encode(nowMs, ownsChunks))
}

function encode(nowMs: number, ownsChunks: boolean): Buffer {
  const value = Buffer.allocUnsafe(VALUE_BYTES)
  writeU64(value, nowMs, 0)
  value[8] = ownsChunks ? OWNS : OWNS_NOT
  return value
}

/** Behind all that are on the list: what has left it doesn't count. */
function nextNumber(snapshot: Snapshot): number {
  for (const { key } of snapshot.range({ ...kindRange(SYSTEM_PREFIX, KIND.garbageContent), reverse: true, limit: 1 }))
    return readGarbageContentKey(key).number + 1
  return 1
}

export function readGarbage(key: Buffer, value: Buffer): ContentGarbage {
  const { number, prefix, what } = readGarbageContentKey(key)
  if (value.length === VALUE_BYTES)
    return { key, prefix, what, discardedAtMs: readU64(value, 0), ownsChunks: value[8] !== OWNS_NOT }
  return { key, prefix, what, discardedAtMs: number, ownsChunks: !value.equals(OWNS_NOT_1) }
}

/** The list, the oldest first. */
export function* listGarbage(snapshot: Snapshot): Generator<ContentGarbage> {
  for (const { key, value } of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.garbageContent))) yield readGarbage(key, value)
}
