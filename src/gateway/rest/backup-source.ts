import type { ChunkId } from '#foundation/ids.ts'

/** What a backup is made of: the metadata of one moment, and the chunks that it refers to. */
export interface BackupSource {
  /** The bytes of docs/formats/backup.md, made while they are read. @throws UNAVAILABLE, BUSY while another one is being read */
  openMetadata(): Promise<AsyncIterable<Buffer>>
  /** Whole and verified. @throws CHUNK_MISSING, CORRUPT, UNAVAILABLE */
  readChunk(id: ChunkId): Promise<Buffer>
}
