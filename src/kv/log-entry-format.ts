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
const HEADER_BYTES = 12
const KIND = { writes: 1, term: 2 } as const
const LAST_PART = 1
const BODY_BYTES_MAX = ENTRY_BYTES_MAX - HEADER_BYTES
export const STATE_ID_BYTES = 16

/** The first entry of each term. It says whose log this is. */
export interface TermEntry {
  /** Drawn when the log is founded: all states that rest on the log carry it. */
  readonly stateId: Buffer
  /** Entry 1 of a log whose founder had a state already: whoever has none needs a snapshot first. */
  readonly isOnOlderState: boolean
}

/** One step of the log: what the entries up to `index` come to. */
export type LogStep =
  | { readonly kind: 'writes'; readonly index: number; readonly writes: WriteSet }
  | ({ readonly kind: 'term'; readonly index: number } & TermEntry)

/** The entries that say `writes`, in order: as many as it takes. They count when the last one is there, and only if nothing else
 *  came between. */
export function encodeWriteEntries(writes: Writes): Buffer[] {
  const body = Buffer.allocUnsafeSlow(encodedBytes(writes))
  encodeWrites(body, 0, writes)
  const entries: Buffer[] = []
  for (let at = 0; at === 0 || at < body.length; at += BODY_BYTES_MAX) {
    const isLast = at + BODY_BYTES_MAX >= body.length
    const head = { kind: KIND.writes, flags: isLast ? LAST_PART : 0, part: entries.length }
    entries.push(encodeEntry(head, body.subarray(at, at + BODY_BYTES_MAX)))
  }
  return entries
}

export function encodeTermEntry({ stateId, isOnOlderState }: TermEntry): Buffer {
  return encodeEntry({ kind: KIND.term, flags: LAST_PART, part: 0 }, Buffer.concat([stateId, Buffer.of(isOnOlderState ? 1 : 0)]))
}

function encodeEntry({ kind, flags, part }: { kind: number; flags: number; part: number }, body: Uint8Array): Buffer {
  const entry = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  entry.set([FORMAT, kind, flags, 0])
  entry.writeUInt32BE(part, 4)
  entry.set(body, HEADER_BYTES)
  entry.writeUInt32BE(checksum(entry), 8)
  return entry
}

function checksum(entry: Buffer): number {
  return crc32c(entry.subarray(HEADER_BYTES), crc32c(entry.subarray(0, 8)))
}

/** Puts the steps together from the entries, which come one after another from the beginning of a step. */
export class LogSteps {
  #parts: Buffer[] = []
  #epoch = 0

  /** The step that `entry` completes, if it does.
   *  @throws DATA_FORMAT: a newer release wrote it; CORRUPT: nothing after it may be applied */
  take({ index, epoch, bytes }: LogEntry): LogStep | undefined {
    const { kind, isLast, part, body } = decodeEntry(bytes, index)
    if (kind === KIND.term) {
      // What the leader before has left unfinished never happened.
      this.#parts = []
      const [stateId, flag] = [Buffer.from(body.subarray(0, STATE_ID_BYTES)), body[STATE_ID_BYTES]]
      return { kind: 'term', index, stateId, isOnOlderState: flag === 1 }
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

function decodeEntry(bytes: Buffer, index: number): { kind: number; isLast: boolean; part: number; body: Buffer } {
  const [format, kind = 0, flags = 0] = bytes
  if (bytes.length < HEADER_BYTES || bytes.readUInt32BE(8) !== checksum(bytes)) throw corrupt(index)
  if (format !== FORMAT || (kind !== KIND.writes && kind !== KIND.term)) {
    throw new ShoalError('DATA_FORMAT', `Entry ${index} of the shared log was written by a newer release: upgrade this node`)
  }
  return { kind, isLast: (flags & LAST_PART) !== 0, part: bytes.readUInt32BE(4), body: bytes.subarray(HEADER_BYTES) }
}

function corrupt(index: number): ShoalError {
  return new ShoalError('CORRUPT', `Entry ${index} of the shared log is damaged`)
}
