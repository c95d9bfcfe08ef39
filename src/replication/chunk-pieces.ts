import { chunkMissing } from '#chunk/arguments.ts'
import type { ByteRange, ChunkStore } from '#chunk/store.ts'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { ReadRequest } from './chunk-calls.ts'

/** What is read from the store at a time: a file is sent while it is read, and a read has two steps in memory at most. */
export const STEP_BYTES = 1024 * 1024

export interface ChunkPieces {
  readonly sizeBytes: number
  /** What a read has in memory at most. */
  readonly memoryBytes: number
  read(): AsyncGenerator<Buffer>
}

/** The bytes of a chunk, verified piece by piece as the store does, the next one read while one is being sent.
 *  @throws CHUNK_MISSING; `read` also CORRUPT and INVALID_ARGUMENT, in the middle too */
export async function openPieces(store: ChunkStore, { id, range }: ReadRequest): Promise<ChunkPieces> {
  const { offset, length } = range ?? { offset: 0, length: (await store.locate(id))?.sizeBytes ?? -1 }
  if (length === -1) throw chunkMissing(id)
  const readStep = async (step: ByteRange): Promise<Buffer> => {
    try {
      return await store.read(id, step)
    } catch (error) {
      // What was located is longer than what can be read.
      if (range === undefined && isShoalError(error, 'INVALID_ARGUMENT'))
        throw new ShoalError('CORRUPT', `Chunk ${id} has another size than it seems to have`, {
          details: { chunk: id },
          cause: error,
        })
      throw error
    }
  }
  return {
    sizeBytes: length,
    memoryBytes: Math.min(length, 2 * STEP_BYTES),
    async *read() {
      let next = readStep(stepAt(offset, offset + length))
      for (let at = offset; ;) {
        const piece = await next
        at = stepAt(at, offset + length).offset + piece.length
        const isLast = at >= offset + length
        if (!isLast) {
          next = readStep(stepAt(at, offset + length))
          // If nobody comes for it, its failure is nobody's.
          next.catch(() => undefined)
        }
        if (piece.length > 0) yield piece
        if (isLast) return
      }
    },
  }
}

/** Steps end where checksummed blocks do. */
function stepAt(offset: number, end: number): ByteRange {
  const stepEnd = Math.min(end, (Math.floor(offset / STEP_BYTES) + 1) * STEP_BYTES)
  return { offset, length: Math.max(0, stepEnd - offset) }
}
