import { hash } from 'node:crypto'
import { INLINE_BYTES_MAX, type Content, EXTENTS_MAX, type EntryValue, type Extent } from '#eventual/entry.ts'
import { decodeManifest, encodeManifest, MANIFEST_EXTENTS_MAX } from '#eventual/manifest.ts'
import type { EventualPolicy } from '#eventual/volume-definition.ts'
import { digestChunk } from '#chunk/digest-chunk.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { ContentWriter } from './content-writer.ts'
import { checkBytes } from './expected-content.ts'
import type { ClassChunks } from './locations.ts'
import type { Pins } from './pins.ts'
import type { BodyStream, ChunkLocation, WriteOptions } from './volume.ts'

export interface EventualContentStores {
  /** The chunks of the volume's class; written, they are on this node. */
  readonly chunks: ClassChunks
  readonly digests: Digests
  readonly buffers: ChunkBuffers
  /** What this node is writing: nobody collects it. */
  readonly pins: Pins
  readonly clock: Clock
  readonly nodeId: string
}

export interface StoreOptions extends Pick<WriteOptions, 'expected' | 'digest' | 'signal'> {
  /** Computes the MD5 of the whole. */
  readonly md5?: boolean
}

export interface StoredBytes {
  readonly sizeBytes: number
  readonly sha256: Buffer | undefined
  /** If it was asked for. */
  readonly md5: Buffer | undefined
}

export interface StoredContent extends StoredBytes {
  readonly content: Content
}

/** Where the contents of an eventual volume's files are. What is stored stays out of the collector's way until `publish` has ended. */
export class EventualContents {
  readonly #stores: EventualContentStores
  readonly #policy: EventualPolicy

  constructor(stores: EventualContentStores, policy: EventualPolicy) {
    this.#stores = stores
    this.#policy = policy
  }

  /** Stores the bytes on this node, and lets `publish` make them a file. @throws TOO_LARGE past 1,048,576 chunks; what the store and `publish` throw */
  async store<T>(
    body: BodyStream | Buffer | AsyncGenerator<Uint8Array>,
    options: StoreOptions,
    publish: (stored: StoredContent) => Promise<T>,
  ): Promise<T> {
    const { expected = {}, md5 = false } = options
    if (Buffer.isBuffer(body) && body.length <= INLINE_BYTES_MAX) {
      const sha256 = checkBytes(expected, body)
      const content = { kind: 'inline', bytes: body } as const
      return publish({ sizeBytes: body.length, sha256, md5: md5 ? hash('md5', body, 'buffer') : undefined, content })
    }
    return this.#pinned((pin) =>
      this.#write(body, { ...options, allowInline: true, pin }, async ({ inline, extents, ...stored }) => {
        const content = inline === undefined ? await this.#contentOf(extents, pin) : ({ kind: 'inline', bytes: inline } as const)
        return publish({ ...stored, content })
      }),
    )
  }

  /** The same for a part of a file. */
  storePart<T>(
    body: BodyStream,
    options: StoreOptions,
    publish: (stored: StoredBytes & { readonly extents: readonly Extent[] }) => Promise<T>,
  ): Promise<T> {
    return this.#pinned((pin) => this.#write(body, { ...options, allowInline: false, pin }, publish))
  }

  /** Lets `publish` make a file of chunks that are there. @throws TOO_LARGE */
  joined<T>(extents: readonly Extent[], publish: (content: Content) => Promise<T>): Promise<T> {
    return this.#pinned(async (pin) => publish(await this.#contentOf(extents, pin)))
  }

  /** The chunks of a content, in order. @throws what reading a chunk throws */
  extentsOf(content: Content): Promise<readonly Extent[]> {
    return extentsOf(this.#stores.chunks, content)
  }

  readChunk(chunk: ChunkId): Promise<Buffer> {
    return this.#stores.chunks.read(chunk)
  }

  async locate({ sizeBytes, content }: EntryValue): Promise<ChunkLocation[]> {
    const { chunks, nodeId } = this.#stores
    if (content.kind === 'inline')
      return [{ offset: 0, length: sizeBytes, chunk: undefined, kind: 'inline', nodes: [nodeId], copies: [], state: 'stored' }]
    const located: ChunkLocation[] = []
    let offset = 0
    for (const { chunk, lengthBytes: length } of await this.extentsOf(content)) {
      const places = await chunks.copies?.(chunk)
      const { state = 'missing', copies = [] } = places ?? {}
      const nodes = copies.filter((copy) => copy.state !== 'replication-in').map(({ node }) => node)
      located.push({ offset, length, chunk, kind: 'chunk', nodes, copies, state })
      offset += length
    }
    return located
  }

  async #write<T>(
    body: BodyStream | Buffer | AsyncGenerator<Uint8Array>,
    options: StoreOptions & { readonly allowInline: boolean; readonly pin: (chunk: ChunkId) => void },
    use: (stored: StoredBytes & { readonly extents: readonly Extent[]; readonly inline: Buffer | undefined }) => Promise<T>,
  ): Promise<T> {
    const extents: Extent[] = []
    const take = (more: readonly { readonly chunk: ChunkId; readonly length: number }[]): void => {
      if (extents.length + more.length > MANIFEST_EXTENTS_MAX) throw tooLong()
      for (const { chunk, length } of more) extents.push({ chunk, lengthBytes: length })
    }
    const writer = new ContentWriter(this.#stores, {
      chunkSizeBytes: this.#policy.chunkSizeBytes,
      allowInline: options.allowInline,
      expected: options.expected ?? {},
      digest: options.digest === true,
      md5: options.md5 === true,
      signal: options.signal,
      onExtents: async (more) => {
        for (const { chunk } of more) options.pin(chunk)
        take(more)
      },
    })
    try {
      const { sizeBytes, sha256, md5, inline, extents: last } = await writer.write(Buffer.isBuffer(body) ? once(body) : body)
      take(last)
      return await use({ sizeBytes, sha256, md5, inline, extents })
    } finally {
      writer.release()
    }
  }

  /** A list that a version has no room for is stored itself. */
  async #contentOf(extents: readonly Extent[], pin: (chunk: ChunkId) => void): Promise<Content> {
    if (extents.length === 0) return { kind: 'inline', bytes: Buffer.alloc(0) }
    if (extents.length <= EXTENTS_MAX) return { kind: 'chunks', extents }
    if (extents.length > MANIFEST_EXTENTS_MAX) throw tooLong()
    const { digests, chunks } = this.#stores
    const listed: Extent[] = []
    for (const piece of encodeManifest(extents, this.#policy.chunkSizeBytes)) {
      const { id, checksums } = await digestChunk(digests, piece)
      pin(id)
      await chunks.write(id, piece, checksums)
      listed.push({ chunk: id, lengthBytes: piece.length })
    }
    return { kind: 'manifest', extents: listed }
  }

  async #pinned<T>(work: (pin: (chunk: ChunkId) => void) => Promise<T>): Promise<T> {
    const { pins } = this.#stores
    const pinned: ChunkId[] = []
    try {
      return await work((chunk) => {
        pins.pin(chunk)
        pinned.push(chunk)
      })
    } finally {
      for (const chunk of pinned) pins.unpin(chunk)
    }
  }
}

/** The chunks of a content, in order. @throws CORRUPT, and what reading a chunk throws */
export async function extentsOf(chunks: Pick<ClassChunks, 'read'>, content: Content): Promise<readonly Extent[]> {
  if (content.kind === 'inline') return []
  if (content.kind === 'chunks') return content.extents
  const extents: Extent[] = []
  for (const { chunk } of content.extents) extents.push(...decodeManifest(await chunks.read(chunk)))
  return extents
}

function tooLong(): ShoalError {
  return new ShoalError(
    'TOO_LARGE',
    `A file of an eventual volume has ${MANIFEST_EXTENTS_MAX} chunks at most: give the volume longer ones`,
  )
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
