// A snapshot of a replica's state as bytes on their way to another replica: docs/formats/log-entry.md.

import { ShoalError } from '#foundation/errors.ts'
import type { KeyValue } from './store.ts'
import { decodeWrites, encodedBytes, encodeWrites } from './write-codec.ts'

const LENGTH_BYTES = 4
/** A page of the sender has 4 MiB and one more row, of up to 16 MiB. */
const PAGE_BYTES_MAX = 64 * 1024 * 1024

/** The pages of a snapshot, each with its length before it, and one without anything at the end: so that a snapshot that was cut off
 *  is never taken for a whole one. */
export async function* encodePages(pages: AsyncIterable<readonly KeyValue[]>): AsyncGenerator<Buffer, void, undefined> {
  for await (const page of pages) if (page.length > 0) yield encodePage(page)
  yield Buffer.alloc(LENGTH_BYTES)
}

function encodePage(page: readonly KeyValue[]): Buffer {
  const dataBytes = page.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  const writes = { size: page.length, dataBytes, writes: () => page }
  const bytes = Buffer.allocUnsafeSlow(LENGTH_BYTES + encodedBytes(writes))
  bytes.writeUInt32BE(bytes.length - LENGTH_BYTES)
  encodeWrites(bytes, LENGTH_BYTES, writes)
  return bytes
}

/** The pages again, from whatever pieces they come in. @throws UNAVAILABLE if the end is missing or they make no sense: another
 *  replica, or another try, may bring them whole */
export async function* decodePages(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly KeyValue[], void, undefined> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let wanted = LENGTH_BYTES
  for await (const piece of pieces) {
    waiting.push(piece)
    waitingBytes += piece.length
    if (waitingBytes < wanted) continue
    let all = waiting.length === 1 ? piece : Buffer.concat(waiting)
    for (wanted = frameBytes(all); all.length >= wanted; wanted = frameBytes(all)) {
      if (wanted === LENGTH_BYTES) return
      yield decodePage(all, wanted)
      all = all.subarray(wanted)
    }
    waiting = [all]
    waitingBytes = all.length
  }
  throw broken('it ended early')
}

function frameBytes(bytes: Buffer): number {
  if (bytes.length < LENGTH_BYTES) return LENGTH_BYTES
  const length = bytes.readUInt32BE(0)
  if (length > PAGE_BYTES_MAX) throw broken(`a page has ${length} bytes`)
  return LENGTH_BYTES + length
}

function decodePage(bytes: Buffer, end: number): KeyValue[] {
  try {
    return decodeWrites(bytes, LENGTH_BYTES, end).map(({ key, value }) => {
      if (value === undefined) throw broken('a row has no value')
      return { key: key as Buffer, value: value as Buffer }
    })
  } catch (cause) {
    throw broken('a page cannot be read', cause)
  }
}

function broken(why: string, cause?: unknown): ShoalError {
  return new ShoalError('UNAVAILABLE', `A snapshot of the metadata from another node is not usable: ${why}`, { cause })
}
