import type { Credentials } from '#access/principal.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { BackupSource } from '#gateway/rest/backup-source.ts'
import { rowPages } from '#kv/row-pages.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Clock } from '#platform/clock.ts'
import type { Files } from '#platform/files.ts'
import { encodeBackup } from './backup-stream.ts'
import { readSecrets } from './bootstrap.ts'

export interface NodeBackupParts {
  readonly folder: { readonly path: string; readonly clusterId: string }
  readonly kv: Pick<KeyValueStore, 'openSnapshot'>
  /** All of the cluster's. */
  readonly chunks: Pick<ChunkStore, 'read'>
  /** The root key that the node was started with, if it isn't the one in its folder. */
  readonly rootKey: Credentials | undefined
  readonly version: string
  readonly files: Files
  readonly clock: Clock
}

/** What a node gives for a backup: the cluster's metadata, and chunks wherever they are. */
export class NodeBackup implements BackupSource {
  readonly #parts: NodeBackupParts
  #isOpen = false

  constructor(parts: NodeBackupParts) {
    this.#parts = parts
  }

  async openMetadata(): Promise<AsyncGenerator<Buffer, void, undefined>> {
    // Each keeps old pages of the store from being used again.
    if (this.#isOpen) throw new ShoalError('BUSY', 'Another backup is reading the metadata: try again when it has done that')
    this.#isOpen = true
    try {
      const { folder, kv, rootKey, version, files, clock } = this.#parts
      const secrets = await readSecrets(folder.path, { files, configured: rootKey })
      const taken = formatTimestamp(clock.nowNs())
      const header = { format: 1, clusterId: folder.clusterId, taken, version, ...secrets } as const
      return this.#reading(encodeBackup(header, rowPages(await kv.openSnapshot())))
    } catch (error) {
      this.#isOpen = false
      throw error
    }
  }

  readChunk(id: ChunkId): Promise<Buffer> {
    return this.#parts.chunks.read(id)
  }

  async *#reading(pieces: AsyncGenerator<Buffer, void, undefined>): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* pieces
    } finally {
      this.#isOpen = false
    }
  }
}
