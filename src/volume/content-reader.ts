import { type ChunkStore, READ_MARGIN_BYTES } from '#chunk/store.ts'
import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { isForTheWriter } from '#kv/following-store.ts'
import type { Snapshot } from '#kv/store.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { extentsIn, readInline } from '#metadata/contents.ts'
import { contentBytes } from '#metadata/keys.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { encryptionOf, type ObjectEncryption } from '#metadata/object-part.ts'
import type { Extent, InodeRecord } from '#metadata/record.ts'
import { resolvePath } from '#metadata/resolve.ts'
import type { VolumeView } from '#metadata/transaction.ts'
import { type ContentKeys, NONCE_BYTES, openChunk } from './content-cipher.ts'
import { contentPin, type Pins } from './pins.ts'
import type { ReadBuffers } from './read-buffers.ts'
import type { OpenFile } from './volume.ts'

/** Bytes read from a chunk at a time: short enough that many readers fit into memory, long enough that waking a thread for
 *  each hardly counts (1 GiB went out a tenth to a fifth faster than in pieces of 512 KiB). */
const PIECE_BYTES = 2 * 1024 * 1024
/** What one of the `ReadBuffers` must hold. */
export const READ_BUFFER_BYTES = PIECE_BYTES + READ_MARGIN_BYTES
/** Shorter pieces are read into buffers of their own: see `OpenFile.read`. */
const BUFFERED_BYTES_MIN = 256 * 1024
/** Pieces read ahead of the consumer. */
const READ_AHEAD = 2
/** Extents fetched from the metadata at a time. */
const EXTENTS_PER_PAGE = 256
/** Each of which waits for a tenth of a second. */
const PAGE_TRIES = 100

export interface ReaderStores {
  /** Opens files that are encrypted with the node's own key. */
  readonly contentKeys?: ContentKeys | undefined
  readonly metadata: Metadata
  readonly chunks: ChunkStore
  readonly pins: Pins
  readonly readBuffers: ReadBuffers
  /** Only in a thread beside the one that changes things: resolves when every change of the volume that had begun before has
   *  ended. */
  readonly settle?: ((volume: VolumeHandle) => Promise<void>) | undefined
  /** Only at a node that follows the one that changes things: what is in a table is copied when a file is opened, up to a page of it. */
  readonly copiesTables?: boolean | undefined
}

/** What can be captured of a file's contents inside one snapshot. */
export interface Captured {
  readonly record: InodeRecord
  readonly inline: Buffer | undefined
  readonly prefix: Buffer
  /** All extents of a table, where they were copied. */
  readonly table?: readonly Extent[]
}

/** The file at `path`, or `undefined` if there is nothing. @throws IS_A_DIRECTORY; NOT_PERMITTED for special files */
export function captureFile(view: VolumeView, path: Path, options: { follow?: boolean }): Captured | undefined {
  const record = resolvePath(view, path, { ...options, prefer: 'file' })?.record
  if (record === undefined) return undefined
  if (record.type === 'directory') throw new ShoalError('IS_A_DIRECTORY', `"/${formatPath(path)}" is a directory`)
  if (record.type !== 'file')
    throw new ShoalError('NOT_PERMITTED', `"/${formatPath(path)}" is a ${record.type} and has no contents to read`)
  return { record, inline: record.form === 'inline' ? readInline(view, record) : undefined, prefix: view.prefix }
}

/** The same with what is in its table, unless that is more than a page. */
export function withTable(view: VolumeView, captured: Captured): Captured {
  const { record } = captured
  if (record.form !== 'table') return captured
  const table = takeExtents(view, record, { start: 0, end: record.sizeBytes })
  return table.length < EXTENTS_PER_PAGE ? { ...captured, table } : captured
}

/** A file's contents as they were when captured; they are pinned until `close`. */
export class ContentReader implements OpenFile {
  readonly attributes: Attributes
  readonly bytes: Buffer | undefined
  readonly #stores: ReaderStores
  readonly #captured: Captured
  readonly #pins: string[] = []
  readonly #encryption: ObjectEncryption | undefined
  #key: Buffer | undefined

  constructor(stores: ReaderStores, captured: Captured) {
    this.#stores = stores
    this.#captured = captured
    this.attributes = captured.record
    this.bytes = captured.inline
    this.#encryption = encryptionOf(captured.record.object)
    if (this.#encryption?.kind === 'node') this.unlock()
    const { record } = captured
    if (record.form === 'table') this.#pin(contentPin(captured.prefix, contentBytes(record.content)))
    for (const extent of record.extents) this.#pin(extent.chunk)
  }

  /** Whether it is encrypted with a key that has still to be brought. */
  get isLocked(): boolean {
    return this.#encryption !== undefined && this.#key === undefined
  }

  /** False if that isn't the key. */
  unlock(customerKey?: Buffer): boolean {
    if (this.#encryption === undefined) return true
    this.#key = this.#stores.contentKeys?.open(this.#encryption, customerKey)?.key
    return this.#key !== undefined
  }

  #pin(key: string): void {
    this.#stores.pins.pin(key)
    this.#pins.push(key)
  }

  /** Whether it is anything that the collector could remove. */
  get isPinned(): boolean {
    return this.#pins.length > 0
  }

  /** Whether all that it has pinned `other` has pinned before. */
  needsNoMoreThan(other: ContentReader): boolean {
    return this.#pins.every((key) => other.#pins.includes(key))
  }

  close(): void {
    for (const key of this.#pins) this.#stores.pins.unpin(key)
    this.#pins.length = 0
  }

  async *read({ offset, length }: { offset: number; length: number }, signal?: AbortSignal): AsyncIterableIterator<Buffer> {
    const end = Math.min(offset + length, this.#captured.record.sizeBytes)
    if (offset >= end) return
    if (this.isLocked) throw locked()
    const { inline } = this.#captured
    if (inline !== undefined) {
      yield inline.subarray(offset, end)
      return
    }
    const ahead: Loading[] = []
    try {
      for await (const piece of this.#pieces(offset, end)) {
        signal?.throwIfAborted()
        ahead.push(this.#load(piece))
        if (ahead.length > READ_AHEAD) yield* this.#handOut(ahead.shift())
      }
      while (ahead.length > 0) yield* this.#handOut(ahead.shift())
    } finally {
      // Reads that nobody waits for any more still end, and their failures are nobody's concern.
      await Promise.allSettled(ahead.map(({ bytes }) => bytes))
      for (const { buffer } of ahead) if (buffer !== undefined) this.#stores.readBuffers.giveBack(buffer)
    }
  }

  /** The buffer comes back when the next piece is asked for. If none is, the consumer may still be busy with it. */
  async *#handOut(loading: Loading | undefined): AsyncGenerator<Buffer> {
    if (loading === undefined) return
    yield await loading.bytes
    if (loading.buffer !== undefined) this.#stores.readBuffers.giveBack(loading.buffer)
  }

  #load(piece: Piece): Loading {
    const buffer =
      this.#key === undefined && piece.extent !== undefined && piece.length >= BUFFERED_BYTES_MIN
        ? this.#stores.readBuffers.take()
        : undefined
    const bytes = this.#read(piece, buffer)
    // Who reads learns of it in its turn, which may come much later, or never.
    bytes.catch(() => {})
    return { bytes, buffer }
  }

  async #read(piece: Piece, into: Buffer | undefined): Promise<Buffer> {
    if (piece.extent === undefined) return Buffer.alloc(piece.length)
    const { chunk, chunkOffset, offset } = piece.extent
    if (this.#key !== undefined) {
      // Only a whole chunk can be held against its tag.
      const opened = openChunk(await this.#stores.chunks.read(chunk), this.#key)
      const from = chunkOffset - NONCE_BYTES + piece.offset - offset
      assert(from >= 0 && from + piece.length <= opened.length, 'An extent of an encrypted file is within its chunk')
      return opened.subarray(from, from + piece.length)
    }
    const range = { offset: chunkOffset + piece.offset - offset, length: piece.length }
    const bytes = await this.#stores.chunks.read(chunk, range, into)
    assert(bytes.length === piece.length, 'A chunk store answers with exactly the range')
    return bytes
  }

  /** The range as pieces of chunks and holes. Pieces end at whole multiples within a chunk, where its checksums do. */
  async *#pieces(start: number, end: number): AsyncGenerator<Piece> {
    let at = start
    for await (const extent of this.#extents(start, end)) {
      if (extent.offset > at) {
        yield* cutHole(at, extent.offset)
        at = extent.offset
      }
      const extentEnd = Math.min(extent.offset + extent.length, end)
      while (at < extentEnd) {
        const inChunk = extent.chunkOffset + at - extent.offset
        const length = this.#key === undefined ? Math.min(extentEnd - at, PIECE_BYTES - (inChunk % PIECE_BYTES)) : extentEnd - at
        yield { offset: at, length, extent }
        at += length
      }
    }
    yield* cutHole(at, end)
  }

  async *#extents(start: number, end: number): AsyncGenerator<Extent> {
    const { record, prefix, table } = this.#captured
    const known = record.form === 'table' ? table : record.extents
    if (known !== undefined) {
      for (const extent of known) if (extent.offset < end && extent.offset + extent.length > start) yield extent
      return
    }
    for (let from = start; from < end;) {
      const page = await this.#patiently((snapshot) => takeExtents({ snapshot, prefix }, record, { start: from, end }))
      yield* page
      const last = page.at(-1)
      if (last === undefined || page.length < EXTENTS_PER_PAGE) return
      from = last.offset + last.length
    }
  }

  /** In a thread beside the writer's a read may have to wait for a large change; once the answer has begun, nobody else can go on
   *  with it. */
  async #patiently<T>(fn: (snapshot: Snapshot) => T): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#stores.metadata.readSystem(fn)
      } catch (error) {
        if (!isForTheWriter(error) || tries >= PAGE_TRIES) throw error
      }
    }
  }
}

export function locked(): ShoalError {
  return new ShoalError('NOT_PERMITTED', "The file is encrypted with a key of its client's: only S3 can read it, with that key")
}

function takeExtents(view: VolumeView, record: InodeRecord, range: { start: number; end: number }): Extent[] {
  const page: Extent[] = []
  for (const extent of extentsIn(view, record, range)) {
    page.push(extent)
    if (page.length === EXTENTS_PER_PAGE) break
  }
  return page
}

interface Loading {
  readonly bytes: Promise<Buffer>
  /** The one to give back, which `bytes` may be a part of. */
  readonly buffer: Buffer | undefined
}

interface Piece {
  readonly offset: number
  readonly length: number
  readonly extent: Extent | undefined
}

function* cutHole(start: number, end: number): Generator<Piece> {
  for (let at = start; at < end; at += PIECE_BYTES)
    yield { offset: at, length: Math.min(PIECE_BYTES, end - at), extent: undefined }
}
