import type { LocalContents, LocalFile } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { OpenFile } from '#volume/volume.ts'

type Cached = Pick<LocalFile, 'read' | 'local'> & { readonly bytes: () => Buffer | undefined }

/** A file of the cluster whose contents are read by way of the cache. */
export class CachedFile implements LocalFile {
  readonly read: OpenFile['read']
  readonly local: LocalContents | undefined
  readonly #file: OpenFile
  readonly #bytes: () => Buffer | undefined

  constructor(file: OpenFile, { bytes, read, local }: Cached) {
    this.#file = file
    this.#bytes = bytes
    this.read = read
    this.local = local
  }

  get attributes(): Attributes {
    return this.#file.attributes
  }

  get bytes(): Buffer | undefined {
    return this.#file.bytes ?? this.#bytes()
  }

  close(): void {
    this.#file.close()
  }
}
