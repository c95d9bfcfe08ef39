import { join } from 'node:path'
import type { ChunkId } from '#foundation/ids.ts'
import type { Digests } from '#platform/digests.ts'
import { storageError, systemErrorCode } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { checkRange } from './arguments.ts'
import { BLOCK_BYTES, firstDifference } from './blocks.ts'
import { MAX_TRAILER_BYTES, decodeTrailer, payloadBytesOf } from './chunk-file-format.ts'
import type { ChunkTrailer } from './chunk-file-format.ts'
import { OpenFiles } from './open-files.ts'
import { corrupt, isUnreadable, unreadable } from './pack-reader.ts'
import type { ByteRange } from './store.ts'

const MAX_OPEN_CHUNKS = 128

interface OpenChunk {
  readonly file: OpenFile
  readonly trailer: ChunkTrailer | undefined
  close(): Promise<void>
}

/** Reads chunks in files of their own, and keeps those used last open. */
export class ChunkFileReader {
  readonly #folder: string
  readonly #files: Files
  readonly #digests: Digests
  readonly #open: OpenFiles<OpenChunk>

  constructor({ folder, files, digests }: { readonly folder: string; readonly files: Files; readonly digests: Digests }) {
    this.#folder = folder
    this.#files = files
    this.#digests = digests
    this.#open = new OpenFiles((path) => this.#openChunk(path), MAX_OPEN_CHUNKS)
  }

  /** `undefined` if there is no such chunk. @throws CORRUPT, INVALID_ARGUMENT */
  async read(id: ChunkId, range: ByteRange | undefined, into?: Buffer): Promise<Buffer | undefined> {
    const path = chunkPath(this.#folder, id)
    try {
      return await this.#open.use(path, (chunk) => this.#readFrom(chunk, id, { range, into }))
    } catch (cause) {
      if (systemErrorCode(cause) === 'ENOENT') return undefined
      if (isUnreadable(cause)) throw unreadable(id, path, range?.offset ?? 0, cause)
      throw storageError(cause, `read chunk ${id} from "${path}"`)
    }
  }

  /** The file at this path is gone, or is another one. */
  release(path: string): Promise<void> {
    return this.#open.evict(path)
  }

  /** Closes what is open; the next read opens it anew. */
  close(): Promise<void> {
    return this.#open.close()
  }

  async #readFrom(
    { file, trailer }: OpenChunk,
    id: ChunkId,
    { range, into }: { range: ByteRange | undefined; into: Buffer | undefined },
  ): Promise<Buffer> {
    if (trailer === undefined || trailer.id !== id) throw corrupt(id, file.path, 0, 'its trailer is damaged')
    const { offset, length } = checkRange(id, trailer.payloadBytes, range)
    if (length === 0) return Buffer.alloc(0)
    const firstBlock = Math.floor(offset / BLOCK_BYTES)
    const start = firstBlock * BLOCK_BYTES
    const end = Math.min(trailer.payloadBytes, Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES)
    const room = into !== undefined && into.length >= end - start ? into : Buffer.allocUnsafe(end - start)
    const blocks = room.subarray(0, end - start)
    const got = await file.read(blocks, start)
    if (got < blocks.length) throw corrupt(id, file.path, start + got, 'the file ends too early')
    const checksums = await this.#digests.blockChecksums(blocks, BLOCK_BYTES, trailer.kind)
    const damaged = firstDifference(checksums, trailer.checksums, 4 * firstBlock)
    if (damaged !== -1) throw corrupt(id, file.path, start + damaged * BLOCK_BYTES, 'a checksum is wrong')
    return blocks.subarray(offset - start, offset - start + length)
  }

  async #openChunk(path: string): Promise<OpenChunk> {
    const file = await this.#files.open(path, 'read')
    try {
      const { sizeBytes } = await file.facts()
      const bytes = Buffer.allocUnsafeSlow(Math.min(sizeBytes, trailerRoom(sizeBytes)))
      const got = await file.read(bytes, sizeBytes - bytes.length)
      return { file, trailer: decodeTrailer(bytes.subarray(0, got), sizeBytes), close: () => file.close() }
    } catch (error) {
      await file.close()
      throw error
    }
  }
}

export function chunkPath(folder: string, id: ChunkId): string {
  return join(folder, id.slice(0, 2), id.slice(2, 4), id)
}

function trailerRoom(fileBytes: number): number {
  const payloadBytes = payloadBytesOf(fileBytes)
  return payloadBytes === undefined ? MAX_TRAILER_BYTES : fileBytes - payloadBytes
}
