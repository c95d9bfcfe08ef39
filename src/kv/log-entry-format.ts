// The entries that replicas write to the shared log, described byte by byte in docs/formats/log-entry.md.

import { crc32c } from '@node-rs/crc32'
import { ShoalError } from '#foundation/errors.ts'
import { ENTRY_BYTES_MAX } from '#sharedlog/log.ts'
import type { LogEntry } from '#sharedlog/log.ts'
import { nameOfKey } from './key-name.ts'
import { decodeWrites, encodedBytes, encodeWrites } from './write-codec.ts'
import type { Writes } from './write-codec.ts'
import { WriteSet } from './write-set.ts'

const FORMAT = 1
/** Format, kind, flags, nothing, number of the part, checksum, id of the state. */
const HEADER_BYTES = 28
const STATE_ID_AT = 12
const KIND = { writes: 1, term: 2 } as const
const LAST_PART = 1
const BODY_BYTES_MAX = ENTRY_BYTES_MAX - HEADER_BYTES
export const STATE_ID_BYTES = 16

/** One step of the log: what the entries up to `index` come to. */
export type LogStep =
  | { readonly kind: 'writes'; readonly index: number; readonly writes: WriteSet }
  /** The first entry of each term. `isOnOlderState`: entry 1 of a log whose founder had a state already, so that whoever has none
   *  needs a snapshot first. */
  | { readonly kind: 'term'; readonly index: number; readonly isOnOlderState: boolean }

/** An entry as it was written. */
export interface DecodedEntry {
  /** Drawn when the log is founded: each state that rests on the log carries it, and each entry. */
  readonly stateId: Buffer
  readonly kind: number
  readonly isLast: boolean
  readonly part: number
  readonly body: Buffer
}

/** The entries that say `writes`, in order: as many as it takes. They count when the last one is there, and only if nothing else
 *  came between. */
export function encodeWriteEntries(stateId: Buffer, writes: Writes): Buffer[] {
  const body = Buffer.allocUnsafeSlow(encodedBytes(writes))
  encodeWrites(body, 0, writes)
  const entries: Buffer[] = []
  for (let at = 0; at === 0 || at < body.length; at += BODY_BYTES_MAX) {
    const isLast = at + BODY_BYTES_MAX >= body.length
    const part = body.subarray(at, at + BODY_BYTES_MAX)
    entries.push(encodeEntry({ stateId, kind: KIND.writes, isLast, part: entries.length, body: part }))
  }
  return entries
}

export function encodeTermEntry(stateId: Buffer, isOnOlderState: boolean): Buffer {
  return encodeEntry({ stateId, kind: KIND.term, isLast: true, part: 0, body: Buffer.of(isOnOlderState ? 1 : 0) })
}

function encodeEntry({ stateId, kind, isLast, part, body }: DecodedEntry): Buffer {
  const entry = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  entry.set([FORMAT, kind, isLast ? LAST_PART : 0, 0])
  entry.writeUInt32BE(part, 4)
  entry.set(stateId, STATE_ID_AT)
  entry.set(body, HEADER_BYTES)
  entry.writeUInt32BE(checksum(entry), 8)
  return entry
}

function checksum(entry: Buffer): number {
  return crc32c(entry.subarray(STATE_ID_AT), crc32c(entry.subarray(0, 8)))
}

/** Puts the steps together from the entries, which come one after another from the beginning of a step. */
export class LogSteps {
  #parts: Buffer[] = []
  #epoch = 0

  /** The step that `entry` completes, if it does. @throws CORRUPT: nothing after it may be applied */
  take({ index, epoch }: Pick<LogEntry, 'index' | 'epoch'>, { kind, isLast, part, body }: DecodedEntry): LogStep | undefined {
    if (kind === KIND.term) {
      // What the leader before has left unfinished never happened.
      this.#parts = []
      return { kind: 'term', index, isOnOlderState: body[0] === 1 }
    }
    if (part === 0) this.#parts = []
    if (part !== this.#parts.length || (part > 0 && epoch !== this.#epoch)) throw corrupt(index)
    this.#epoch = epoch
    this.#parts.push(body)
    if (!isLast) return undefined
    const whole = this.#parts.length === 1 ? body : Buffer.concat(this.#parts)
    this.#parts = []
    const writes = new WriteSet()
    for (const write of decodeWrites(whole, 0, whole.length)) writes.set(nameOfKey(write.key), write)
    return { kind: 'writes', index, writes }
  }
}

/** @throws DATA_FORMAT: a newer release wrote it; CORRUPT */
export function decodeEntry({ bytes, index }: Pick<LogEntry, 'bytes' | 'index'>): DecodedEntry {
  const [format, kind = 0, flags = 0] = bytes
  if (bytes.length < HEADER_BYTES || bytes.readUInt32BE(8) !== checksum(bytes)) throw corrupt(index)
  if (format !== FORMAT || (kind !== KIND.writes && kind !== KIND.term)) {
    throw new ShoalError('DATA_FORMAT', `Entry ${index} of the shared log was written by a newer release: upgrade this node`)
  }
  return {
    stateId: bytes.subarray(STATE_ID_AT, HEADER_BYTES),
    kind,
    isLast: (flags & LAST_PART) !== 0,
    part: bytes.readUInt32BE(4),
    body: bytes.subarray(HEADER_BYTES),
  }
}

function corrupt(index: number): ShoalError {
  return new ShoalError('CORRUPT', `Entry ${index} of the shared log is damaged`)
}
