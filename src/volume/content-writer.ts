// From a stream of bytes to contents that a metadata transaction can publish: inline up to 4 KiB, else chunks, which are
// durable before anything refers to them.

import { createHash, hash, type Hash } from 'node:crypto'
import { type ChunkDigest, digestChunk } from '#chunk/digest-chunk.ts'
import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { type Extent, MAX_INLINE_BYTES } from '#metadata/record.ts'
import type { Digests, StreamDigest } from '#platform/digests.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { type ContentKey, NONCE_BYTES, SEAL_BYTES, sealChunk } from './content-cipher.ts'
import { checkDigests, checkNotLonger, checkNotShorter } from './expected-content.ts'
import type { Pins } from './pins.ts'
import type { BodyStream, ExpectedContent } from './volume.ts'

/** Chunk writes of one stream that are under way together. Each is a chain of digest, write, flush, rename and flushes of
 *  folders, most of it waiting: in one process on ext4, 1 GiB took 2.2 s with two at once, 1.4 s with six, 1.3 s with ten. */
const WRITES_IN_FLIGHT = 6

/** Bytes that are handed on for the digest of the whole at a time: little enough that those of several streams are there together. */
const DIGESTED_BYTES = 256 * 1024

/** Asked for at a time of a body that puts itself into the buffer. */
const FILLED_BYTES = 1024 * 1024

/** Up to here bytes are gathered as they came; more go into a borrowed buffer. */
const SMALL_BYTES = 256 * 1024

export interface WriterOptions {
  readonly chunkSizeBytes: number
  /** Keep contents of up to 4 KiB as bytes. */
  readonly allowInline: boolean
  readonly expected: ExpectedContent
  /** Compute the digest of the whole even when there are several chunks. */
  readonly digest: boolean
  /** Compute the MD5 of the whole. */
  readonly md5?: boolean
  readonly signal: AbortSignal | undefined
  /** Encrypts the chunks; nothing stays inline then, and the digest of the whole isn't told. */
  readonly key?: ContentKey | undefined
  /** Takes extents over as they become many, so that a file of any size needs a bounded memory. */
  readonly onExtents?: (extents: readonly Extent[], startsAt: number) => Promise<void>
}

/** Extents handed over at a time: 2 GiB of 8 MiB chunks. */
const EXTENTS_PER_BATCH = 256

export interface Written {
  readonly sizeBytes: number
  readonly sha256: Buffer | undefined
  /** If it was asked for. */
  readonly md5: Buffer | undefined
  readonly inline: Buffer | undefined
  /** Those not handed over yet. */
  readonly extents: readonly Extent[]
  /** How many bytes of the file were handed over before. */
  readonly handedOverBytes: number
}

export interface ContentStores {
  readonly digests: Digests
  readonly chunks: ChunkStore
  readonly buffers: ChunkBuffers
  readonly pins: Pins
}

/** Writes one stream. Whatever it has written is pinned until `release`. */
export class ContentWriter {
  readonly #stores: ContentStores
  readonly #options: WriterOptions
  readonly #sha256: Hash | undefined
  readonly #wantsMd5: boolean
  /** Of a stream in chunks, beside the event loop. */
  #md5: StreamDigest | undefined
  /** Of the buffer: how far it was handed on for it, and what still looks at that. */
  #digestedTo: number
  #digesting: Promise<void>[] = []
  readonly #pinned: ChunkId[] = []
  readonly #inFlight = new Set<Promise<void>>()
  #extents: Extent[] = []
  #handedOverBytes = 0
  #sizeBytes = 0
  #failure: { error: unknown } | undefined
  #small: Uint8Array[] | undefined = []
  #buffer: Buffer | undefined
  /** Where in a buffer the bytes of the file begin, and how much room is left behind them. */
  readonly #head: number
  readonly #tail: number
  #filled: number

  constructor(stores: ContentStores, options: WriterOptions) {
    this.#stores = stores
    this.#options = options
    const wantsSha256 = options.digest || options.expected.sha256 !== undefined
    this.#sha256 = wantsSha256 && !isOneChunk(options) ? createHash('sha256') : undefined
    this.#wantsMd5 = options.md5 === true || options.expected.md5 !== undefined
    this.#head = options.key === undefined ? 0 : NONCE_BYTES
    this.#tail = options.key === undefined ? 0 : SEAL_BYTES - NONCE_BYTES
    this.#filled = this.#head
    this.#digestedTo = this.#head
  }

  /** Chunks that this stream has written, to be discarded if they never become part of a file. */
  get chunks(): readonly ChunkId[] {
    return this.#pinned
  }

  /** Consumes `body` to its end. @throws what the body throws, INCOMPLETE_BODY, DIGEST_MISMATCH, NO_SPACE, STORAGE_FAILED, CANCELLED */
  async write(body: BodyStream): Promise<Written> {
    try {
      const fill = body.fill?.bind(body)
      const { sizeBytes = 0 } = this.#options.expected
      if (fill !== undefined && sizeBytes > SMALL_BYTES) await this.#takeFilled(fill, sizeBytes)
      else await this.#takePieces(body)
      return await this.#finish()
    } finally {
      await Promise.allSettled(this.#inFlight)
      this.#md5?.drop()
      if (this.#buffer !== undefined) this.#stores.buffers.giveBack(this.#buffer)
      this.#buffer = undefined
    }
  }

  release(): void {
    for (const chunk of this.#pinned) this.#stores.pins.unpin(chunk)
    this.#pinned.length = 0
  }

  async #takePieces(body: BodyStream): Promise<void> {
    for await (const piece of body) {
      this.#options.signal?.throwIfAborted()
      await this.#take(piece, body)
    }
  }

  async #take(piece: Uint8Array, body: BodyStream): Promise<void> {
    this.#sizeBytes += piece.length
    checkNotLonger(this.#options.expected, this.#sizeBytes)
    if (this.#small !== undefined) {
      if (this.#sizeBytes <= SMALL_BYTES) {
        this.#small.push(piece)
        return
      }
      const gathered = this.#small
      this.#small = undefined
      for (const earlier of gathered) await this.#fill(earlier, body)
    }
    await this.#fill(piece, body)
  }

  async #fill(piece: Uint8Array, body: BodyStream): Promise<void> {
    this.#sha256?.update(piece)
    for (let at = 0; at < piece.length;) {
      this.#buffer ??= await this.#stores.buffers.borrow(this.#options.chunkSizeBytes, this.#options.signal)
      const room = this.#buffer.length - this.#tail
      const end = Math.min(piece.length, at + room - this.#filled)
      this.#buffer.set(at === 0 && end === piece.length ? piece : piece.subarray(at, end), this.#filled)
      this.#filled += end - at
      at = end
      if (this.#wantsMd5 && this.#filled - this.#digestedTo >= DIGESTED_BYTES) this.#digest(this.#buffer)
      if (this.#filled === room) await this.#flush()
    }
    body.release?.(piece)
  }

  /** Of a body that puts itself where the chunks are made. */
  async #takeFilled(fill: (target: Uint8Array) => Promise<number>, expectedBytes: number): Promise<void> {
    this.#small = undefined
    while (this.#sizeBytes < expectedBytes) {
      this.#options.signal?.throwIfAborted()
      this.#buffer ??= await this.#stores.buffers.borrow(this.#options.chunkSizeBytes, this.#options.signal)
      const room = this.#buffer.length - this.#tail
      const step = this.#wantsMd5 ? DIGESTED_BYTES : FILLED_BYTES
      const target = this.#buffer.subarray(this.#filled, Math.min(room, this.#filled + step))
      const length = await fill(target)
      this.#sizeBytes += length
      checkNotLonger(this.#options.expected, this.#sizeBytes)
      this.#sha256?.update(target.subarray(0, length))
      this.#filled += length
      if (this.#wantsMd5 && this.#filled - this.#digestedTo >= DIGESTED_BYTES) this.#digest(this.#buffer)
      if (this.#filled === room) await this.#flush()
      if (length < target.length) return
    }
    // It has all of it, and takes no further buffer to hear that there is no more.
    checkNotLonger(this.#options.expected, this.#sizeBytes + (await fill(Buffer.alloc(1))))
  }

  #digest(buffer: Buffer): void {
    if (this.#filled === this.#digestedTo) return
    this.#md5 ??= this.#stores.digests.md5()
    const digested = this.#md5.update(buffer.subarray(this.#digestedTo, this.#filled))
    // Looked at when the buffer is full, which may never be.
    digested.catch(() => {})
    this.#digesting.push(digested)
    this.#digestedTo = this.#filled
  }

  /** Sends the filled buffer on its way; waits only when too many are under way. */
  async #flush(): Promise<void> {
    const buffer = this.#buffer as Buffer
    const length = this.#filled - this.#head
    if (this.#wantsMd5) this.#digest(buffer)
    const digested = Promise.all(this.#digesting)
    this.#digesting = []
    this.#buffer = undefined
    this.#filled = this.#head
    this.#digestedTo = this.#head
    const offset = this.#sizeOfExtents()
    const chunkOffset = this.#head
    const index = this.#extents.push({ offset, length, chunk: '' as ChunkId, chunkOffset }) - 1
    const work = this.#storeDigested(buffer, length, digested)
      .then((chunk) => {
        this.#extents[index] = { offset, length, chunk, chunkOffset }
      })
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#stores.buffers.giveBack(buffer)
        this.#inFlight.delete(work)
      })
    this.#inFlight.add(work)
    while (this.#inFlight.size >= WRITES_IN_FLIGHT) await Promise.race(this.#inFlight)
    this.#throwFailure()
    if (this.#extents.length >= EXTENTS_PER_BATCH && this.#options.onExtents !== undefined) await this.#handOver()
  }

  #sizeOfExtents(): number {
    const last = this.#extents.at(-1)
    return last === undefined ? this.#handedOverBytes : last.offset + last.length
  }

  async #handOver(): Promise<void> {
    await Promise.all(this.#inFlight)
    this.#throwFailure()
    const extents = this.#extents
    const startsAt = this.#handedOverBytes
    this.#handedOverBytes = this.#sizeOfExtents()
    this.#extents = []
    await this.#options.onExtents?.(extents, startsAt)
    // Whoever took them over keeps the collector away from them now.
    this.release()
  }

  async #storeDigested(buffer: Buffer, length: number, digested: Promise<unknown>): Promise<ChunkId> {
    // Encrypted in place, the bytes are no longer those that are digested.
    if (this.#options.key !== undefined) await digested
    const [chunk] = await Promise.all([this.#store(this.#sealed(buffer, length)), digested])
    return chunk
  }

  /** The chunk of the `length` bytes behind the head of `buffer`. */
  #sealed(buffer: Buffer, length: number): Buffer {
    const { key } = this.#options
    return key === undefined ? buffer.subarray(0, length) : sealChunk(buffer, length, key)
  }

  async #store(bytes: Buffer): Promise<ChunkId> {
    const digest = await digestChunk(this.#stores.digests, bytes)
    await this.#storeAs(digest, bytes)
    return digest.id
  }

  async #storeAs({ id, checksums }: ChunkDigest, bytes: Buffer): Promise<void> {
    this.#stores.pins.pin(id)
    this.#pinned.push(id)
    await this.#stores.chunks.write(id, bytes, checksums)
  }

  async #finish(): Promise<Written> {
    checkNotShorter(this.#options.expected, this.#sizeBytes)
    if (this.#small !== undefined) return this.#finishSmall(this.#small)
    if (this.#filled > this.#head) await this.#flush()
    // Asked for before the last bytes are through: nothing waits for those of other streams then.
    const digested = this.#md5?.digest()
    digested?.catch(() => {})
    await Promise.all(this.#inFlight)
    this.#throwFailure()
    const sha256 = this.#sha256?.digest() ?? this.#onlyChunk()
    const md5 = await digested
    checkDigests(this.#options.expected, { sha256, md5 })
    return {
      sizeBytes: this.#sizeBytes,
      md5,
      sha256: this.#options.key === undefined ? sha256 : undefined,
      inline: undefined,
      extents: this.#extents,
      handedOverBytes: this.#handedOverBytes,
    }
  }

  /** The one chunk's id is the digest of the whole. */
  #onlyChunk(): Buffer | undefined {
    const only = this.#extents[0]
    return this.#handedOverBytes === 0 && this.#extents.length === 1 && only !== undefined && this.#options.key === undefined
      ? Buffer.from(only.chunk, 'hex')
      : undefined
  }

  async #finishSmall(pieces: readonly Uint8Array[]): Promise<Written> {
    const only = pieces[0]
    const bytes =
      pieces.length === 1 && only !== undefined ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(pieces)
    const digest = await digestChunk(this.#stores.digests, bytes)
    const sha256 = Buffer.from(digest.id, 'hex')
    const md5 = this.#wantsMd5 ? hash('md5', bytes, 'buffer') : undefined
    checkDigests(this.#options.expected, { sha256, md5 })
    const written = { sizeBytes: bytes.length, sha256, md5, handedOverBytes: 0 }
    const { key, allowInline } = this.#options
    const isInline = allowInline && key === undefined && bytes.length <= MAX_INLINE_BYTES
    if (bytes.length === 0 || isInline) return { ...written, inline: bytes, extents: [] }
    const extent = { offset: 0, length: bytes.length, chunkOffset: this.#head }
    if (key === undefined) {
      await this.#storeAs(digest, bytes)
      return { ...written, inline: undefined, extents: [{ ...extent, chunk: digest.id }] }
    }
    const buffer = Buffer.alloc(bytes.length + SEAL_BYTES)
    bytes.copy(buffer, NONCE_BYTES)
    const chunk = await this.#store(sealChunk(buffer, bytes.length, key))
    return { ...written, sha256: undefined, inline: undefined, extents: [{ ...extent, chunk }] }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** What is announced to fit into one chunk has the digest that the chunk is named by: it isn't computed twice. */
function isOneChunk({ expected: { sizeBytes }, chunkSizeBytes, key }: WriterOptions): boolean {
  return key === undefined && sizeBytes !== undefined && sizeBytes <= chunkSizeBytes
}
