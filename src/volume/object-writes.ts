// The bytes of objects on their way in: digested as they pass, stored as chunks, published in one transaction.

import { hash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { NewContents } from '#metadata/contents.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { type Extent, type InodeRecord, MAX_INLINE_BYTES } from '#metadata/record.ts'
import { discardUnused } from '#metadata/references.ts'
import { extentsOfPieces } from '#metadata/rewrite.ts'
import type { Snapshot } from '#kv/store.ts'
import { blindTag, type ContentKey } from './content-cipher.ts'
import { type ContentStores, ContentWriter } from './content-writer.ts'
import { checkBytes } from './expected-content.ts'
import type { BodyStream, Caller, ExpectedContent } from './volume.ts'

/** The largest object that comes in one piece, and the largest part: Amazon S3's limit. */
export const MAX_PIECE_BYTES = 5 * 1024 ** 3

/** Extents that one transaction takes over: what 5 GiB has in the smallest chunks, and some more. */
const EXTENTS_MAX = 8_192

export interface StoredContents {
  readonly contents: NewContents
  readonly sizeBytes: number
  readonly sha256: Buffer | undefined
  readonly md5: Buffer
}

export interface StoreOptions {
  readonly caller: Caller
  readonly expected?: ExpectedContent | undefined
  readonly signal?: AbortSignal | undefined
  /** Keep up to 4 KiB as bytes. */
  readonly allowInline: boolean
  readonly chunkSizeBytes: number
  readonly key?: ContentKey | undefined
}

export class ObjectWrites {
  readonly #stores: ContentStores
  readonly #metadata: Metadata
  readonly #volume: VolumeHandle

  constructor(stores: ContentStores & { readonly metadata: Metadata }, volume: VolumeHandle) {
    this.#stores = stores
    this.#metadata = stores.metadata
    this.#volume = volume
  }

  /** Stores `body`, and what `publish` makes of it is published while its chunks are pinned. */
  async store<T>(body: BodyStream | Buffer, options: StoreOptions, publish: (stored: StoredContents) => Promise<T>): Promise<T> {
    const { expected = {}, allowInline, signal, caller, chunkSizeBytes, key } = options
    const tagOf = (md5: Buffer) => (key?.isBlind === true ? blindTag(md5, key.key) : md5)
    const canStay = allowInline && key === undefined
    if (Buffer.isBuffer(body) && body.length <= MAX_INLINE_BYTES && (canStay || body.length === 0)) {
      const sha256 = checkBytes(expected, body)
      const md5 = tagOf(hash('md5', body, 'buffer'))
      return publish({ contents: { kind: 'inline', bytes: body }, sizeBytes: body.length, sha256, md5 })
    }
    const writer = new ContentWriter(this.#stores, {
      chunkSizeBytes,
      allowInline,
      expected,
      digest: false,
      md5: true,
      signal,
      key,
    })
    try {
      const written = await writer.write(Buffer.isBuffer(body) ? once(body) : bounded(body))
      const { sizeBytes, sha256, inline, extents } = written
      const md5 = written.md5 as Buffer
      const contents: NewContents =
        inline === undefined ? { kind: 'extents', extents, sizeBytes } : { kind: 'inline', bytes: inline }
      return await publish({ contents, sizeBytes, sha256, md5: tagOf(md5) })
    } catch (error) {
      await this.#discard(writer.chunks, caller)
      throw error
    } finally {
      writer.release()
    }
  }

  /** What a failed write has stored is of no use to anybody: its chunks go onto the garbage list, if nobody has them. */
  async #discard(chunks: readonly ChunkId[], { principal }: Caller): Promise<void> {
    if (chunks.length === 0) return
    try {
      await this.#metadata.transact(this.#volume, principal, (t) => discardUnused(t.tx, chunks, t.nowMs), { frees: true })
    } catch {
      // The store itself may have failed; what is left is found by the collector's sweep.
    }
  }
}

/** The extents of a range of some contents, from 0 on, of whichever volume they are. @throws TOO_LARGE */
export function extentsOfRange(
  view: { readonly snapshot: Snapshot; readonly prefix: Buffer },
  record: InodeRecord,
  { offset, length }: { offset: number; length: number },
): Extent[] {
  const extents: Extent[] = []
  const piece = { contents: record, start: offset, end: offset + length, target: 0 }
  for (const extent of extentsOfPieces(view, [piece])) {
    extents.push(extent)
    if (extents.length > EXTENTS_MAX)
      throw new ShoalError('TOO_LARGE', `A copy has ${EXTENTS_MAX} pieces at most: copy the object in parts`)
  }
  return extents
}

/** No longer than what may come in one piece: more is TOO_LARGE. */
export function bounded(body: BodyStream): BodyStream {
  let sizeBytes = 0
  const count = (length: number): void => {
    sizeBytes += length
    if (sizeBytes > MAX_PIECE_BYTES) {
      throw new ShoalError('TOO_LARGE', `What comes in one piece has ${MAX_PIECE_BYTES} bytes (5 GiB) at most: send it in parts`)
    }
  }
  const fill = body.fill?.bind(body)
  return {
    async *[Symbol.asyncIterator]() {
      for await (const piece of body) {
        count(piece.length)
        yield piece
      }
    },
    release: (piece) => body.release?.(piece),
    fill:
      fill &&
      (async (target) => {
        const length = await fill(target)
        count(length)
        return length
      }),
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
