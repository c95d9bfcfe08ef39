import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { MAX_CHUNK_BYTES } from './store.ts'
import type { ByteRange } from './store.ts'

export function checkSize(id: ChunkId, sizeBytes: number): void {
  if (sizeBytes >= 1 && sizeBytes <= MAX_CHUNK_BYTES) return
  throw new ShoalError(
    'INVALID_ARGUMENT',
    `Cannot store chunk ${id} of ${sizeBytes} bytes: a chunk has 1 to ${MAX_CHUNK_BYTES} bytes`,
  )
}

/** The range itself, or the whole chunk. @throws INVALID_ARGUMENT when it leaves the chunk */
export function checkRange(id: ChunkId, sizeBytes: number, range: ByteRange | undefined): ByteRange {
  if (range === undefined) return { offset: 0, length: sizeBytes }
  const { offset, length } = range
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length)
  if (whole && offset >= 0 && length >= 0 && offset + length <= sizeBytes) return range
  throw new ShoalError(
    'INVALID_ARGUMENT',
    `Cannot read ${length} bytes at offset ${offset} of chunk ${id}: it has ${sizeBytes} bytes`,
    { details: { chunk: id } },
  )
}

export function chunkMissing(id: ChunkId): ShoalError {
  return new ShoalError('CHUNK_MISSING', `There is no chunk ${id} in this store`, { details: { chunk: id } })
}

export function storeClosed(): ShoalError {
  return new ShoalError('UNAVAILABLE', 'The chunk store is closed')
}
