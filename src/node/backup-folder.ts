import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { Files } from '#platform/files.ts'

const SUFFIX = '.backup'

/** A folder with backups: `STAMP.backup` is one moment, `chunks/ab/ab…` the chunks of all of them, each once. */
export class BackupFolder {
  readonly path: string
  readonly #files: Files

  constructor(path: string, files: Files) {
    this.path = path
    this.#files = files
  }

  /** Makes what is missing of it: readable by nobody else, since it has the keys of the cluster. */
  async prepare(): Promise<void> {
    await this.#files.makeFolder(join(this.path, 'chunks'), 0o700)
    for (let first = 0; first < 256; first += 1)
      await this.#files.createFolder(join(this.path, 'chunks', first.toString(16).padStart(2, '0')), 0o700)
    await this.#files.syncFolder(join(this.path, 'chunks'))
  }

  chunkPath(id: string): string {
    return join(this.path, 'chunks', id.slice(0, 2), id)
  }

  momentPath(stamp: string): string {
    return join(this.path, `${stamp}${SUFFIX}`)
  }

  /** The last one. @throws NOT_FOUND */
  async newest(): Promise<string> {
    const names = (await this.#files.list(this.path)) ?? []
    const [last] = names
      .filter((name) => name.endsWith(SUFFIX))
      .toSorted()
      .slice(-1)
    if (last === undefined) throw new ShoalError('NOT_FOUND', `There is no backup in "${this.path}": "shoal backup" makes one`)
    return last.slice(0, -SUFFIX.length)
  }
}
