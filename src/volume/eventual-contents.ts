import { INLINE_BYTES_MAX, type Content, EXTENTS_MAX, type EntryValue } from '#eventual/entry.ts'
import type { EventualPolicy } from '#eventual/volume-definition.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { ContentWriter, type Written } from './content-writer.ts'
import { checkBytes } from './expected-content.ts'
import type { ClassChunks } from './locations.ts'
import type { Pins } from './pins.ts'
import type { BodyStream, ChunkLocation, WriteOptions } from './volume.ts'

/** The longest chunk that a store takes, and with it the longest file: 16 GiB. */
const CHUNK_BYTES_MAX = 64 * 1024 * 1024

export interface EventualContentStores {
  /** The chunks of the volume's class; written, they are on this node. */
  readonly chunks: ClassChunks
  readonly digests: Digests
  readonly buffers: ChunkBuffers
  readonly pins: Pins
  readonly clock: Clock
  readonly nodeId: string
}

type StoredContent = Pick<EntryValue, 'sizeBytes' | 'sha256' | 'content'>

/** Where the contents of an eventual volume's files are. */
export class EventualContents {
  readonly #stores: EventualContentStores
  readonly #policy: EventualPolicy

  constructor(stores: EventualContentStores, policy: EventualPolicy) {
    this.#stores = stores
    this.#policy = policy
  }

  /** Stores the bytes on this node, and lets `publish` make them a file; until then nobody collects them.
   *  @throws TOO_LARGE past 16 GiB, or past 256 chunks of a body whose length was not announced; what the store and `publish` throw */
  async store<T>(
    body: BodyStream | Buffer | AsyncGenerator<Uint8Array>,
    options: Pick<WriteOptions, 'caller' | 'expected' | 'digest' | 'signal'>,
    publish: (stored: StoredContent) => Promise<T>,
  ): Promise<T> {
    if (Buffer.isBuffer(body) && body.length <= INLINE_BYTES_MAX) {
      const sha256 = checkBytes(options.expected ?? {}, body)
      return publish({ sizeBytes: body.length, sha256, content: { kind: 'inline', bytes: body } })
    }
    const writer = new ContentWriter(this.#stores, {
      chunkSizeBytes: this.#chunkSize(Buffer.isBuffer(body) ? body.length : options.expected?.sizeBytes),
      allowInline: true,
      expected: options.expected ?? {},
      digest: options.digest === true,
      signal: options.signal,
      onExtents: () => Promise.reject(tooLong()),
    })
    try {
      const written = await writer.write(Buffer.isBuffer(body) ? once(body) : body)
      return await publish({ sizeBytes: written.sizeBytes, sha256: written.sha256, content: contentOf(written) })
    } finally {
      writer.release()
    }
  }

  async locate({ sizeBytes, content }: EntryValue): Promise<ChunkLocation[]> {
    const { chunks, nodeId } = this.#stores
    if (content.kind !== 'chunks') {
      const kind = content.kind === 'inline' ? 'inline' : 'hole'
      return [{ offset: 0, length: sizeBytes, chunk: undefined, kind, nodes: [nodeId], copies: [], state: 'stored' }]
    }
    const located: ChunkLocation[] = []
    let offset = 0
    for (const { chunk, lengthBytes: length } of content.extents) {
      const places = await chunks.copies?.(chunk)
      const { state = 'missing', copies = [] } = places ?? {}
      const nodes = copies.filter((copy) => copy.state !== 'replication-in').map(({ node }) => node)
      located.push({ offset, length, chunk, kind: 'chunk', nodes, copies, state })
      offset += length
    }
    return located
  }

  /** Longer chunks for what would have more than a version has room for. */
  #chunkSize(sizeBytes: number | undefined): number {
    let size = this.#policy.chunkSizeBytes
    while (sizeBytes !== undefined && sizeBytes > size * (EXTENTS_MAX - 1) && size < CHUNK_BYTES_MAX) size *= 2
    return Math.min(size, CHUNK_BYTES_MAX)
  }
}

function contentOf({ inline, extents }: Written): Content {
  if (inline !== undefined) return { kind: 'inline', bytes: inline }
  return { kind: 'chunks', extents: extents.map(({ chunk, length }) => ({ chunk, lengthBytes: length })) }
}

function tooLong(): ShoalError {
  return new ShoalError(
    'TOO_LARGE',
    `A file of an eventual volume has ${EXTENTS_MAX} chunks at most: announce its length, so that longer ones are made, up to 16 GiB in all`,
  )
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
