import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { LOCK_NAME, lockFolder } from '#platform/folder-lock.ts'

const SUFFIX = '.backup'
const PART = 'metadata.part'
const CHUNK_NAME = /^[0-9a-f]{64}$/
/** Of the names of chunks: the folders that they are in. */
const FIRST_DIGITS = Array.from({ length: 256 }, (_, first) => first.toString(16).padStart(2, '0'))
/** What a folder may have in which the first backup is to be made: what one leaves that was cut short, and what mkfs does. */
const NEGLIGIBLE_NAMES = new Set(['chunks', LOCK_NAME, 'lost+found'])

/** A folder with backups: `STAMP.backup` is one moment, `chunks/ab/ab…` the chunks of all of them, each once. */
export class BackupFolder {
  readonly path: string
  readonly #files: Files

  constructor(path: string, files: Files) {
    this.path = path
    this.#files = files
  }

  /** Where a moment grows until all is there that it needs. */
  get partPath(): string {
    return join(this.path, PART)
  }

  /** Makes what is missing of it: readable by nobody else, since it has the keys of the cluster. Two backups at a time would end each other's
   *  moments, so it is locked until what is returned is closed. @throws CONFLICT if it is somebody else's, DATA_IN_USE */
  async prepare(): Promise<OpenFile> {
    await this.#refuseForeign()
    await this.#files.makeFolder(this.path, 0o700)
    const lock = await lockFolder(this.#files, this.path, 'backup folder')
    try {
      await this.#makeFolders()
    } catch (error) {
      await lock.close()
      throw error
    }
    return lock
  }

  async #refuseForeign(): Promise<void> {
    const names = (await this.#files.list(this.path)) ?? []
    if (names.some((name) => name === PART || name.endsWith(SUFFIX))) return
    const foreign = names.find((name) => !NEGLIGIBLE_NAMES.has(name))
    if (foreign === undefined) return
    throw new ShoalError(
      'CONFLICT',
      `"${this.path}" has no backups, but holds "${foreign}": name an empty folder, a new one, or one that "shoal backup" has made`,
    )
  }

  async #makeFolders(): Promise<void> {
    await this.#files.makeFolder(join(this.path, 'chunks'), 0o700)
    for (const first of FIRST_DIGITS) await this.#files.createFolder(join(this.path, 'chunks', first), 0o700)
    await this.#files.syncFolder(join(this.path, 'chunks'))
  }

  chunkPath(id: string): string {
    return join(this.path, 'chunks', id.slice(0, 2), id)
  }

  momentPath(stamp: string): string {
    return join(this.path, `${stamp}${SUFFIX}`)
  }

  /** All of them, the oldest first: one at least. @throws NOT_FOUND */
  async moments(): Promise<[string, ...string[]]> {
    const names = (await this.#files.list(this.path)) ?? []
    const [first, ...others] = names
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length))
      .toSorted()
    if (first === undefined) throw new ShoalError('NOT_FOUND', `There is no backup in "${this.path}": "shoal backup" makes one`)
    return [first, ...others]
  }

  /** The last one. @throws NOT_FOUND */
  async newest(): Promise<string> {
    return (await this.moments()).at(-1) as string
  }

  /** The ids of all chunks that are there, in ascending order. */
  async *chunks(): AsyncGenerator<string, void, undefined> {
    for (const first of FIRST_DIGITS) {
      const names = (await this.#files.list(join(this.path, 'chunks', first))) ?? []
      yield* names.filter((name) => CHUNK_NAME.test(name) && name.startsWith(first)).toSorted()
    }
  }
}
