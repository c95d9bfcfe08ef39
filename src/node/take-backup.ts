import { hash } from 'node:crypto'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { storageError } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { usedChunk } from '#volume/used-chunk.ts'
import { BackupFolder } from './backup-folder.ts'
import { openBackup } from './backup-stream.ts'
import type { OpenedBackup } from './backup-stream.ts'

/** Chunks that are fetched at once: each is in memory whole, 8 MiB usually, 64 MiB at most. */
const AT_ONCE = 4
/** What is removed from the cluster while it is copied may be collected before its turn: then another moment is taken, of which there is
 *  little left to copy. Chunks that are missing after as many are lost. */
const ROUNDS_MAX = 5

export interface TakeBackupOptions {
  readonly folder: string
  readonly source: {
    metadata(signal: AbortSignal): Promise<AsyncIterable<Buffer>>
    chunk(id: string, signal: AbortSignal): Promise<Buffer>
  }
  readonly signal: AbortSignal
  readonly files?: Files
}

export interface TakenBackup {
  /** The name of the moment. */
  readonly moment: string
  /** All that it needs, and what was copied this time. */
  readonly chunks: number
  readonly copiedChunks: number
  readonly copiedBytes: number
}

/** Copies the metadata of one moment and all chunks that it refers to, as far as the folder doesn't have them. It can be cut off at any
 *  time, and goes on with what is there. When it resolves, everything is durable, and was compared with its digest.
 *  @throws CONFLICT if the folder is somebody else's, DATA_IN_USE while another backup is made there, CHUNK_MISSING if a chunk is lost, CORRUPT, DIGEST_MISMATCH, NO_SPACE, STORAGE_FAILED, and what the source throws */
export async function takeBackup({ folder, source, signal, files = nodeFiles }: TakeBackupOptions): Promise<TakenBackup> {
  const place = new BackupFolder(folder, files)
  const copied = { chunks: 0, bytes: 0 }
  let lock: OpenFile | undefined
  try {
    lock = await place.prepare()
    for (let round = 1; ; round += 1) {
      await keep(files, place.partPath, await source.metadata(signal))
      const backup = await openBackup(files, place.partPath)
      const copy = new ChunkCopy({ place, source, signal, files })
      await copy.all(backup)
      copied.chunks += copy.copiedChunks
      copied.bytes += copy.copiedBytes
      const [lost] = copy.missing
      if (lost === undefined) {
        const moment = `${backup.header.taken.slice(0, 19).replaceAll(':', '-')}Z`
        await files.rename(place.partPath, place.momentPath(moment))
        await files.syncFolder(folder)
        return { moment, chunks: copy.chunks, copiedChunks: copied.chunks, copiedBytes: copied.bytes }
      }
      if (round === ROUNDS_MAX)
        throw new ShoalError(
          'CHUNK_MISSING',
          `${copy.missing.length} chunks are lost, chunk ${lost} among them: "shoal fsck" says which files they are of. Remove or replace those, and make the backup again`,
        )
    }
  } catch (cause) {
    throw storageError(cause, `keep the backup in "${folder}"`)
  } finally {
    await lock?.close()
  }
}

/** Durable when it resolves. */
async function keep(files: Files, path: string, pieces: AsyncIterable<Buffer>): Promise<void> {
  await files.remove(path)
  const file = await files.open(path, 'create', 0o600)
  try {
    let at = 0
    for await (const piece of pieces) {
      await file.write([piece], at)
      at += piece.length
    }
    await file.datasync()
  } finally {
    await file.close()
  }
}

interface CopyOptions extends Pick<TakeBackupOptions, 'source' | 'signal'> {
  readonly place: BackupFolder
  readonly files: Files
}

class ChunkCopy {
  chunks = 0
  copiedChunks = 0
  copiedBytes = 0
  readonly missing: ChunkId[] = []
  readonly #options: CopyOptions
  readonly #running = new Set<Promise<void>>()
  #failure: Error | undefined

  constructor(options: CopyOptions) {
    this.#options = options
  }

  async all(backup: OpenedBackup): Promise<void> {
    const { files, place } = this.#options
    try {
      for await (const page of backup.rows()) {
        for (const row of page) {
          const id = usedChunk(row)
          if (id === undefined) continue
          this.chunks += 1
          // No chunk is empty: a file system may have lost the bytes of one with its power.
          if (((await files.facts(place.chunkPath(id)))?.sizeBytes ?? 0) === 0) await this.#start(id)
        }
      }
    } finally {
      await Promise.all(this.#running)
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async #start(id: ChunkId): Promise<void> {
    while (this.#running.size >= AT_ONCE) await Promise.race(this.#running)
    if (this.#failure !== undefined) throw this.#failure
    const running = this.#copy(id)
      .catch((error: unknown) => {
        if (isShoalError(error, 'CHUNK_MISSING')) this.missing.push(id)
        else this.#failure ??= error as Error
      })
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #copy(id: ChunkId): Promise<void> {
    const { source, signal, place, files } = this.#options
    const bytes = await source.chunk(id, signal)
    if (hash('sha256', bytes) !== id) throw new ShoalError('DIGEST_MISMATCH', `What came as chunk ${id} is something else`)
    await files.publish(place.chunkPath(id), [bytes], { mode: 0o600 })
    this.copiedChunks += 1
    this.copiedBytes += bytes.length
  }
}
