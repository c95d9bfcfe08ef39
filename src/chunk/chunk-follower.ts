import { join } from 'node:path'
import type { ChunkId } from '#foundation/ids.ts'
import type { Counter } from '#observe/metrics.ts'
import type { Digests } from '#platform/digests.ts'
import type { Files } from '#platform/files.ts'
import { checkRange, chunkMissing } from './arguments.ts'
import { ChunkFileReader } from './chunk-file-reader.ts'
import { MAX_PACKED_BYTES } from './pack-format.ts'
import { MAX_READ_TRIES, PackReader } from './pack-reader.ts'
import type { PackPlace } from './pack-reader.ts'
import type { ByteRange } from './store.ts'

/** Places that are kept: some 3 MiB. */
const PLACES_KEPT = 16_384

export interface ChunkFollowerOptions {
  /** The folder of the store. */
  readonly path: string
  readonly files: Files
  readonly digests: Digests
  readonly readBytes: Counter
  /** Where a chunk lies now, of whoever writes the store: `DiskChunkStore.placeOf`. */
  readonly placeOf: (id: ChunkId) => Promise<PackPlace | undefined>
}

/** Reads the chunks of a store that another thread has open and writes. The caller sees to it that they aren't forgotten
 *  meanwhile.
 *
 *  A chunk doesn't change, and a record says whose it is, so that where one was is where it is unless the record there says
 *  otherwise: compaction has moved it then, and the writer is asked anew. Packs that are gone keep their room as long as they
 *  are open here: `releaseFiles` now and then. */
export class ChunkFollower {
  readonly #packs: PackReader
  readonly #chunkFiles: ChunkFileReader
  readonly #placeOf: ChunkFollowerOptions['placeOf']
  readonly #readBytes: Counter
  /** The one known longest goes first. */
  readonly #places = new Map<ChunkId, PackPlace | 'own file'>()

  constructor({ path, files, digests, readBytes, placeOf }: ChunkFollowerOptions) {
    this.#packs = new PackReader({ folder: packsFolder(path), files })
    this.#chunkFiles = new ChunkFileReader({ folder: chunksFolder(path), files, digests })
    this.#placeOf = placeOf
    this.#readBytes = readBytes
  }

  /** As `ChunkStore.read`. @throws also what `placeOf` does */
  async read(id: ChunkId, range?: ByteRange, into?: Buffer): Promise<Buffer> {
    // A packed chunk doesn't reach that far.
    const isInFile = range !== undefined && range.offset + range.length > MAX_PACKED_BYTES
    const packed = isInFile ? undefined : await this.#readPacked(id, range)
    const bytes = packed ?? (await this.#chunkFiles.read(id, range, into))
    if (bytes === undefined) {
      this.#places.delete(id)
      throw chunkMissing(id)
    }
    this.#readBytes.add(bytes.length)
    return bytes
  }

  /** Files that are open are opened anew by the next read. */
  async releaseFiles(): Promise<void> {
    await Promise.all([this.#packs.close(), this.#chunkFiles.close()])
  }

  async #readPacked(id: ChunkId, range: ByteRange | undefined): Promise<Buffer | undefined> {
    const known = this.#places.get(id)
    if (known === 'own file') return undefined
    let place = known ?? (await this.#ask(id))
    for (let tries = 1; place !== undefined; tries += 1) {
      const { offset, length } = checkRange(id, place.lengthBytes, range)
      if (length === 0) return Buffer.alloc(0)
      const outcome = await this.#packs.read(id, place, { offset, length })
      if (Buffer.isBuffer(outcome)) return outcome
      const now = await this.#ask(id)
      const isMoved = now?.pack !== place.pack || now.offset !== place.offset
      if (!isMoved || tries >= MAX_READ_TRIES) throw outcome
      place = now
    }
    return undefined
  }

  async #ask(id: ChunkId): Promise<PackPlace | undefined> {
    this.#places.delete(id)
    const place = await this.#placeOf(id)
    if (this.#places.size >= PLACES_KEPT) this.#places.delete(this.#places.keys().next().value as ChunkId)
    this.#places.set(id, place ?? 'own file')
    return place
  }
}

export function packsFolder(path: string): string {
  return join(path, 'packs')
}

export function chunksFolder(path: string): string {
  return join(path, 'chunks')
}
