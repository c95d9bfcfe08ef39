import type { OpenFile } from '#platform/files.ts'
import {
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  SALT_BYTES,
  decodeRecordHeader,
  findDamagedPayloadBlock,
  recordBytes,
  recordPrefixBytes,
} from './pack-format.ts'
import type { RecordHeader } from './pack-format.ts'

/** Many records at a time, and several times the longest one. */
const WINDOW_BYTES = 2 * 1024 * 1024

/** `record`: intact in every byte; `payload` is a part of a larger buffer that nobody reuses. `damage`: bytes between
 *  records that are none. `tail`: bytes that are none up to the end of the pack: a torn write, or damage. */
export type ScanEvent =
  | { readonly kind: 'record'; readonly offset: number; readonly header: RecordHeader; readonly payload: Buffer }
  | { readonly kind: 'damage' | 'tail'; readonly offset: number; readonly lengthBytes: number }

export interface ScanOptions {
  readonly file: OpenFile
  readonly sizeBytes: number
  /** Where to begin: the end of the pack's header, or of a record. */
  readonly from: number
  /** The pack's salt; without it (its header is damaged) the first intact record tells it. */
  readonly salt: Buffer | undefined
}

/** Reads a pack from one record to the next. Where bytes are no record it looks for the next one, so that damage costs
 *  what it hit and nothing behind it. */
export async function* scanPack(options: ScanOptions): AsyncGenerator<ScanEvent> {
  const { file, sizeBytes } = options
  let { salt } = options
  let base = options.from
  let window: Buffer = Buffer.alloc(0)
  let offset = options.from
  let damagedFrom: number | undefined

  while (offset < sizeBytes) {
    const wanted = Math.min(sizeBytes - offset, recordBytes(0) + 4 * 4)
    const header =
      offset - base + wanted <= window.length ? decodeRecordHeader(window, offset - base, { salt, offset }) : undefined
    const needed = header === undefined ? wanted : Math.min(sizeBytes - offset, recordBytes(header.lengthBytes))
    if (offset - base + needed > window.length) {
      window = await readWindow(file, offset, sizeBytes)
      base = offset
      if (window.length < needed) break
      continue
    }
    const payload = header === undefined ? undefined : intactPayload(window, offset - base, header)
    if (header === undefined || payload === undefined) {
      damagedFrom ??= offset
      offset = nextCandidate(window, base, offset)
      continue
    }
    if (damagedFrom !== undefined) yield { kind: 'damage', offset: damagedFrom, lengthBytes: offset - damagedFrom }
    damagedFrom = undefined
    salt ??= Buffer.from(window.subarray(offset - base + 16, offset - base + 16 + SALT_BYTES))
    yield { kind: 'record', offset, header, payload }
    offset += recordBytes(header.lengthBytes)
  }
  const tail = damagedFrom ?? offset
  if (tail < sizeBytes) yield { kind: 'tail', offset: tail, lengthBytes: sizeBytes - tail }
}

async function readWindow(file: OpenFile, offset: number, sizeBytes: number): Promise<Buffer> {
  const window = Buffer.allocUnsafeSlow(Math.min(WINDOW_BYTES, sizeBytes - offset))
  return window.subarray(0, await file.read(window, offset))
}

/** The payload, if it matches its checksums and nothing of the record is missing, not even its padding: the next record
 *  must find its place. */
function intactPayload(window: Buffer, at: number, header: RecordHeader): Buffer | undefined {
  const start = at + recordPrefixBytes(header.lengthBytes)
  const end = start + header.lengthBytes
  if (at + recordBytes(header.lengthBytes) > window.length) return undefined
  return findDamagedPayloadBlock(window.subarray(at, end), header.lengthBytes) === -1 ? window.subarray(start, end) : undefined
}

/** The next place after `offset` where a record may begin: within the window where the magic number is, or at its end. */
function nextCandidate(window: Buffer, base: number, offset: number): number {
  const last = window.length - RECORD_HEADER_BYTES
  let at = offset - base + RECORD_ALIGNMENT
  while (at <= last && window.readUInt32LE(at) !== RECORD_MAGIC) at += RECORD_ALIGNMENT
  return base + at
}
