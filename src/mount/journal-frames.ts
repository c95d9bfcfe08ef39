import type { AppendFile } from '#platform/append-files.ts'
import { checksumOf, quickChecksumOf } from '#platform/block-checksums.ts'
import { storageError } from '#platform/files.ts'
import type { Format } from './journal-head.ts'

// How records lie in a file: docs/formats/mount-journal.md.

/** Lengths of header and bytes, and the checksum over what follows. */
const PREFIX_BYTES = 12
/** In format 1. Later ones have no bound: what names the changes of a file that was written in small pieces names hundreds of thousands. */
const HEADER_BYTES_MAX = 256 * 1024
const BYTES_MAX = 256 * 1024 * 1024

/** Where short records are put together: to make three buffers of each took longer than to write it. */
const room = Buffer.allocUnsafeSlow(64 * 1024)
/** A UTF-16 unit has at most three bytes in UTF-8. */
const BYTES_PER_UNIT_MAX = 3
const NO_BYTES = new Uint8Array(0)

/** What a record says, as `encodeRecord` makes it, and what follows it. */
export interface Framed {
  readonly header: string
  readonly bytes?: Uint8Array
}

/** Records of the newest format, in pieces, which are good until the next call. */
export function framesOf(records: readonly Framed[]): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  let [start, end] = [0, 0]
  for (const { header, bytes = NO_BYTES } of records) {
    if (end + PREFIX_BYTES + header.length * BYTES_PER_UNIT_MAX + bytes.length <= room.length) {
      end = putFrame(end, header, bytes)
      continue
    }
    if (end > start) pieces.push(room.subarray(start, end))
    start = end
    pieces.push(...longFrame(Buffer.from(header), bytes))
  }
  if (end > start) pieces.push(room.subarray(start, end))
  return pieces
}

/** Where it ends in `room`. */
function putFrame(at: number, header: string, bytes: Uint8Array): number {
  const bodyAt = at + PREFIX_BYTES
  const headerBytes = room.write(header, bodyAt, 'utf8')
  room.set(bytes, bodyAt + headerBytes)
  const end = bodyAt + headerBytes + bytes.length
  room.writeUInt32LE(headerBytes, at)
  room.writeUInt32LE(bytes.length, at + 4)
  room.writeUInt32LE(quickChecksumOf(room.subarray(bodyAt, end)), at + 8)
  return end
}

function longFrame(header: Buffer, bytes: Uint8Array): readonly Uint8Array[] {
  const prefix = Buffer.allocUnsafe(PREFIX_BYTES)
  prefix.writeUInt32LE(header.length, 0)
  prefix.writeUInt32LE(bytes.length, 4)
  prefix.writeUInt32LE(quickChecksumOf(header, bytes), 8)
  return [prefix, header, bytes]
}

/** `undefined`: there is no whole record. */
export function readRecord(
  file: AppendFile,
  at: number,
  format: Format,
): { header: Buffer; bytesAt: number; end: number } | undefined {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  if (file.read(prefix, at) < PREFIX_BYTES) return undefined
  const [headerBytes, lengthBytes] = [prefix.readUInt32LE(0), prefix.readUInt32LE(4)]
  // What was never written of a file that had grown is zeros, and the checksum of nothing is zero, too.
  if (headerBytes === 0 || at + PREFIX_BYTES + headerBytes + lengthBytes > file.sizeBytes) return undefined
  const body = Buffer.allocUnsafe(headerBytes + lengthBytes)
  if (file.read(body, at + PREFIX_BYTES) < body.length) return undefined
  const header = body.subarray(0, headerBytes)
  const checksum = format < 3 ? checksumOf([body]) : quickChecksumOf(body)
  if (checksum !== prefix.readUInt32LE(8)) return undefined
  const bytesAt = at + PREFIX_BYTES + headerBytes
  return { header, bytesAt, end: bytesAt + lengthBytes }
}

/** Whether a record ends where the file does: the one that was being written when everything stopped. */
export function isTorn(file: AppendFile, at: number): boolean {
  const prefix = Buffer.alloc(PREFIX_BYTES)
  if (file.read(prefix, at) < PREFIX_BYTES) return true
  const [headerBytes, lengthBytes] = [prefix.readUInt32LE(0), prefix.readUInt32LE(4)]
  return (
    headerBytes <= HEADER_BYTES_MAX && lengthBytes <= BYTES_MAX && at + PREFIX_BYTES + headerBytes + lengthBytes >= file.sizeBytes
  )
}

/** Headers that begin with `beginning`, of whole records behind `at`, whatever lies between them. Of what was written through the mount it
 *  may find some that are none of the journal's. */
export function* headersBehind(
  file: AppendFile,
  { at, format }: { readonly at: number; readonly format: Format },
  beginning: string,
): Generator<Buffer> {
  const rest = Buffer.allocUnsafe(file.sizeBytes - at)
  file.read(rest, at)
  for (let found = rest.indexOf(beginning); found >= 0; found = rest.indexOf(beginning, found + 1)) {
    const record = found < PREFIX_BYTES ? undefined : readRecord(file, at + found - PREFIX_BYTES, format)
    if (record !== undefined) yield record.header
  }
}

/** @throws NO_SPACE, STORAGE_FAILED in the place of the system's errors */
export function storing<T>(doing: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw storageError(error, doing)
  }
}
