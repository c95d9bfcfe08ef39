import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { storageError, systemErrorCode } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { BLOCK_BYTES, findDamagedBlock } from './blocks.ts'
import { OpenFiles } from './open-files.ts'
import {
  PACK_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  decodePackHeader,
  decodeRecordHeader,
  packName,
  recordPrefixBytes,
} from './pack-format.ts'
import type { Location } from './pack-format.ts'
import type { ByteRange } from './store.ts'

const MAX_OPEN_PACKS = 64
/** A read that finds its chunk moved looks again; compaction can't move it faster than this many times. */
export const MAX_READ_TRIES = 8

/** Where the record of a chunk is, and how long the chunk. */
export interface PackPlace extends Location {
  readonly lengthBytes: number
}

interface OpenPack {
  readonly file: OpenFile
  readonly salt: Buffer | undefined
  close(): Promise<void>
}

/** Reads records of packs. It keeps packs open, and knows nothing of where chunks are. */
export class PackReader {
  readonly #folder: string
  readonly #open: OpenFiles<OpenPack>

  constructor({ folder, files }: { readonly folder: string; readonly files: Files }) {
    this.#folder = folder
    this.#open = new OpenFiles((path) => openPack(files, path), MAX_OPEN_PACKS)
  }

  /** Bytes of the chunk whose record is said to be there, verified; or what speaks against it, CORRUPT if there is another one
   *  or none. The range must be within the chunk, and not empty. */
  async read(id: ChunkId, place: PackPlace, { offset, length }: ByteRange): Promise<Buffer | ShoalError> {
    const path = join(this.#folder, packName(place.pack))
    const prefix = recordPrefixBytes(place.lengthBytes)
    const lastBlockEnd = Math.ceil((offset + length) / BLOCK_BYTES) * BLOCK_BYTES
    const record = Buffer.allocUnsafe(prefix + Math.min(place.lengthBytes, lastBlockEnd))
    let salt: Buffer | undefined
    try {
      const got = await this.#open.use(path, (pack) => {
        salt = pack.salt
        return pack.file.read(record, place.offset)
      })
      if (got < record.length) return corrupt(id, path, place.offset + got, 'the pack ends too early')
    } catch (cause) {
      if (systemErrorCode(cause) === 'ENOENT') return corrupt(id, path, place.offset, 'the pack is missing')
      if (isUnreadable(cause)) return unreadable(id, path, place.offset, cause)
      return storageError(cause, `read chunk ${id} from "${path}"`)
    }
    const header = decodeRecordHeader(record, 0, { salt, offset: place.offset })
    if (header === undefined || header.id !== id || header.lengthBytes !== place.lengthBytes) {
      return corrupt(id, path, place.offset, "the record's header is damaged")
    }
    const firstBlock = Math.floor(offset / BLOCK_BYTES)
    const blocks = record.subarray(prefix + firstBlock * BLOCK_BYTES)
    const damaged = findDamagedBlock(blocks, record, RECORD_HEADER_BYTES + 4 * firstBlock)
    if (damaged !== -1) {
      return corrupt(id, path, place.offset + prefix + (firstBlock + damaged) * BLOCK_BYTES, 'a checksum is wrong')
    }
    return record.subarray(prefix + offset, prefix + offset + length)
  }

  /** A pack that is gone takes no room any more once nobody reads from it. */
  release(path: string): Promise<void> {
    return this.#open.evict(path)
  }

  /** Closes what is open; the next read opens it anew. */
  close(): Promise<void> {
    return this.#open.close()
  }
}

/** A header that is damaged says nothing of the records, which have checksums of their own. */
async function openPack(files: Files, path: string): Promise<OpenPack> {
  const file = await files.open(path, 'read')
  try {
    const header = Buffer.alloc(PACK_HEADER_BYTES)
    await file.read(header, 0)
    return { file, salt: decodePackHeader(header)?.salt, close: () => file.close() }
  } catch (error) {
    await file.close()
    throw error
  }
}

/** What systems say of a block that the medium doesn't give back, or that the file system finds damaged. */
const UNREADABLE: ReadonlySet<string | undefined> = new Set(['EIO', 'EUCLEAN', 'EBADMSG'])

/** Whether the copy is as good as gone: written anew it lies elsewhere. */
export function isUnreadable(cause: unknown): boolean {
  return UNREADABLE.has(systemErrorCode(cause))
}

export function unreadable(id: ChunkId, path: string, offset: number, cause: unknown): ShoalError {
  return corrupt(id, path, offset, `the disk can't read it (${systemErrorCode(cause)})`)
}

export function corrupt(id: ChunkId, path: string, offset: number, reason: string): ShoalError {
  return new ShoalError('CORRUPT', `Chunk ${id} is damaged in "${path}" at byte ${offset}: ${reason}`, {
    details: { chunk: id, path, offset },
  })
}
