import type { ChunkStore } from '#chunk/store.ts'
import type { Content, Extent } from '#eventual/entry.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { extentsOf } from './eventual-contents.ts'
import type { OpenFile } from './volume.ts'

/** Bytes read from a chunk at a time. */
const PIECE_BYTES = 2 * 1024 * 1024

/** One version's contents. Chunks that a version on this node has are not collected; once it is overwritten they stay for the grace of the
 *  collector, which readers that began before have. */
export class EventualFile implements OpenFile {
  readonly attributes: Attributes
  readonly bytes: Buffer | undefined
  readonly #chunks: Pick<ChunkStore, 'read'>
  readonly #content: Content
  #extents: Promise<readonly Extent[]> | undefined

  constructor(chunks: Pick<ChunkStore, 'read'>, attributes: Attributes, content: Content) {
    this.attributes = attributes
    this.bytes = content.kind === 'inline' ? content.bytes : undefined
    this.#chunks = chunks
    this.#content = content
  }

  close(): void {}

  async *read({ offset, length }: { offset: number; length: number }, signal?: AbortSignal): AsyncIterableIterator<Buffer> {
    const end = Math.min(offset + length, this.attributes.sizeBytes)
    if (offset >= end) return
    const content = this.#content
    if (content.kind === 'inline') {
      yield content.bytes.subarray(offset, end)
      return
    }
    this.#extents ??= extentsOf(this.#chunks, content)
    let start = 0
    for (const { chunk, lengthBytes } of await this.#extents) {
      if (start >= end) return
      const from = Math.max(offset, start) - start
      const to = Math.min(end, start + lengthBytes) - start
      for (let at = from; at < to; at += PIECE_BYTES) {
        signal?.throwIfAborted()
        yield await this.#chunks.read(chunk, { offset: at, length: Math.min(PIECE_BYTES, to - at) })
      }
      start += lengthBytes
    }
  }
}
