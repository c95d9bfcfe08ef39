import { hash } from 'node:crypto'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { usedChunk } from '#volume/used-chunk.ts'
import { BackupFolder } from './backup-folder.ts'
import { openBackup } from './backup-stream.ts'

/** What is wrong with a file of a backup folder. */
export interface BackupFinding {
  readonly kind: 'finding'
  readonly path: string
  readonly problem: string
}

/** What was found of one moment: `bad` of its chunks are missing, damaged or can't be read; none is known of one that is damaged itself. */
export interface VerifiedMoment {
  readonly kind: 'moment'
  readonly moment: string
  readonly chunks: number
  readonly bad: number
  readonly whole: boolean
}

export interface VerifyBackupOptions {
  readonly folder: string
  readonly signal: AbortSignal
  readonly files?: Files
  /** How much there is to be read, and what was. */
  readonly progress: {
    expect(total: { readonly bytes: number; readonly files: number }): void
    advance(read: { readonly bytes: number; readonly files: number }): void
  }
}

/** Reads everything that the folder has: every chunk is compared with its name, every moment with its digest, and each of its chunks has to be
 *  there. Nothing is changed; chunks that no moment needs are read too, since the next backup takes them for its own.
 *  @throws NOT_FOUND if there is no backup, CANCELLED */
export async function* verifyBackup(
  options: VerifyBackupOptions,
): AsyncGenerator<BackupFinding | VerifiedMoment, void, undefined> {
  const { folder, files = nodeFiles } = options
  const place = new BackupFolder(folder, files)
  const moments = await place.moments()
  const check = new BackupCheck({ ...options, place, files })
  yield* check.chunks()
  for (const moment of moments) yield* check.moment(moment)
}

class BackupCheck {
  readonly #options: VerifyBackupOptions & { readonly place: BackupFolder; readonly files: Files }
  readonly #damaged = new Set<string>()

  constructor(options: VerifyBackupOptions & { readonly place: BackupFolder; readonly files: Files }) {
    this.#options = options
  }

  async *chunks(): AsyncGenerator<BackupFinding, void, undefined> {
    const { place, files, progress, signal } = this.#options
    const total = { bytes: 0, files: 0 }
    for await (const id of place.chunks()) {
      total.bytes += (await files.facts(place.chunkPath(id)).catch(() => undefined))?.sizeBytes ?? 0
      total.files += 1
    }
    progress.expect(total)
    for await (const id of place.chunks()) {
      signal.throwIfAborted()
      const { bytes, problem } = await this.#read(id)
      progress.advance({ bytes, files: 1 })
      if (problem === undefined) continue
      this.#damaged.add(id)
      yield { kind: 'finding', path: place.chunkPath(id), problem }
    }
  }

  async #read(id: string): Promise<{ readonly bytes: number; readonly problem?: string }> {
    const { place, files } = this.#options
    try {
      const content = await files.read(place.chunkPath(id))
      // It has gone meanwhile: that shows with the moments that need it.
      if (content === undefined || hash('sha256', content) === id) return { bytes: content?.length ?? 0 }
      return { bytes: content.length, problem: 'damaged: its name is not its SHA-256' }
    } catch (error) {
      return { bytes: 0, problem: unreadable(error) }
    }
  }

  async *moment(moment: string): AsyncGenerator<BackupFinding | VerifiedMoment, void, undefined> {
    const { place, files, signal } = this.#options
    const path = place.momentPath(moment)
    let [chunks, bad] = [0, 0]
    try {
      const backup = await openBackup(files, path)
      for await (const page of backup.rows()) {
        for (const row of page) {
          const id = usedChunk(row)
          if (id === undefined) continue
          signal.throwIfAborted()
          chunks += 1
          if (this.#damaged.has(id)) bad += 1
          else if ((await files.facts(place.chunkPath(id))) === undefined) {
            bad += 1
            yield { kind: 'finding', path: place.chunkPath(id), problem: `missing: ${moment} needs it` }
          }
        }
      }
    } catch (error) {
      signal.throwIfAborted()
      yield {
        kind: 'finding',
        path,
        problem: isShoalError(error, 'CORRUPT') ? 'damaged: it is not what was written' : unreadable(error),
      }
      yield { kind: 'moment', moment, chunks, bad, whole: false }
      return
    }
    yield { kind: 'moment', moment, chunks, bad, whole: bad === 0 }
  }
}

function unreadable(cause: unknown): string {
  const { message } = cause instanceof ShoalError ? cause : storageError(cause, 'read it')
  return `can't be read: ${message}`
}
