import { createHash } from 'node:crypto'
import type { ChunkId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import { checkRange, checkSize, chunkMissing, storeClosed } from './arguments.ts'
import type { ByteRange, ChunkInfo, ChunkStore, ChunkUsage } from './store.ts'

interface StoredChunk {
  readonly bytes: Buffer
  touchedAtMs: number
}

/** Keeps chunks in memory, and forgets them with the process: for tests and for volumes that don't outlive it. Memory
 *  is the only limit. */
export function openMemoryChunkStore(options: { clock: Clock }): ChunkStore {
  return new MemoryChunkStore(options.clock)
}

class MemoryChunkStore implements ChunkStore {
  readonly #clock: Clock
  readonly #chunks = new Map<ChunkId, StoredChunk>()
  #liveBytes = 0
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async write(id: ChunkId, bytes: Uint8Array): Promise<void> {
    this.#checkOpen()
    checkSize(id, bytes.length)
    const touchedAtMs = this.#clock.nowMs()
    const stored = this.#chunks.get(id)
    if (stored !== undefined) {
      stored.touchedAtMs = Math.max(stored.touchedAtMs, touchedAtMs)
      return
    }
    this.#chunks.set(id, { bytes: Buffer.from(bytes), touchedAtMs })
    this.#liveBytes += bytes.length
  }

  async read(id: ChunkId, range?: ByteRange): Promise<Buffer> {
    this.#checkOpen()
    const stored = this.#chunks.get(id)
    if (stored === undefined) throw chunkMissing(id)
    const { offset, length } = checkRange(id, stored.bytes.length, range)
    return Buffer.from(stored.bytes.subarray(offset, offset + length))
  }

  async locate(id: ChunkId): Promise<ChunkInfo | undefined> {
    this.#checkOpen()
    const stored = this.#chunks.get(id)
    return stored === undefined ? undefined : { id, sizeBytes: stored.bytes.length, touchedAtMs: stored.touchedAtMs }
  }

  async forget(id: ChunkId, options: { untouchedSinceMs?: number } = {}): Promise<boolean> {
    this.#checkOpen()
    const stored = this.#chunks.get(id)
    if (stored === undefined) return false
    if (options.untouchedSinceMs !== undefined && stored.touchedAtMs >= options.untouchedSinceMs) return false
    this.#chunks.delete(id)
    this.#liveBytes -= stored.bytes.length
    return true
  }

  async verify(id: ChunkId): Promise<'intact' | 'corrupt' | 'missing'> {
    this.#checkOpen()
    const stored = this.#chunks.get(id)
    if (stored === undefined) return 'missing'
    return createHash('sha256').update(stored.bytes).digest('hex') === id ? 'intact' : 'corrupt'
  }

  async *list(from?: ChunkId): AsyncIterableIterator<ChunkInfo> {
    this.#checkOpen()
    const ids = [...this.#chunks.keys()].filter((id) => from === undefined || id >= from)
    for (const id of ids.toSorted()) {
      const stored = this.#chunks.get(id)
      if (stored !== undefined) yield { id, sizeBytes: stored.bytes.length, touchedAtMs: stored.touchedAtMs }
    }
  }

  async usage(): Promise<ChunkUsage> {
    this.#checkOpen()
    return {
      chunks: this.#chunks.size,
      liveBytes: this.#liveBytes,
      storedBytes: this.#liveBytes,
      capacityBytes: undefined,
      freeBytes: undefined,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#chunks.clear()
    this.#liveBytes = 0
  }

  #checkOpen(): void {
    if (this.#closed) throw storeClosed()
  }
}
