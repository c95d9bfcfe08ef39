import { isShoalError } from '#foundation/errors.ts'
import type { LocalContents, LocalFile } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { OpenFile } from '#volume/volume.ts'

export interface ShownFileOptions {
  readonly attributes: Attributes
  /** Where the kernel may read it by itself. */
  readonly local?: LocalContents | undefined
  /** Hears that it isn't there as it was. */
  readonly onRefused?: () => void
}

/** A file of the cluster as the mount shows it.
 *
 *  A class: for an object that is written down with a getter V8 makes something in its old space, which keeps the object, with all that it
 *  holds, until the whole heap is marked.
 */
export class ShownFile implements LocalFile {
  readonly #file: OpenFile
  readonly #options: ShownFileOptions

  constructor(file: OpenFile, options: ShownFileOptions) {
    this.#file = file
    this.#options = options
  }

  get attributes(): Attributes {
    return this.#options.attributes
  }

  get local(): LocalContents | undefined {
    return this.#options.local
  }

  get bytes(): Buffer | undefined {
    return this.#file.bytes
  }

  async *read(...args: Parameters<OpenFile['read']>): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* this.#file.read(...args)
    } catch (error) {
      if (isShoalError(error, 'CONFLICT') || isShoalError(error, 'NOT_FOUND')) this.#options.onRefused?.()
      throw error
    }
  }

  close(): void {
    this.#file.close()
  }
}
