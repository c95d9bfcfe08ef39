import { assert } from '#foundation/assert.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { PACK_HEADER_BYTES, recordBytes } from './pack-format.ts'
import type { Location, RecordHeader } from './pack-format.ts'
import { PackIndex } from './pack-index.ts'
import type { PackedChunk } from './pack-index.ts'

export interface Pack {
  readonly number: number
  readonly salt: Buffer
  sizeBytes: number
  /** What the records of chunks that are in the index take. */
  liveBytes: number
  liveChunks: number
  /** How many records of this pack take back a record of that other pack. They must outlive it: without them a chunk
   *  that was forgotten would come back when the index is rebuilt. */
  readonly kills: Map<number, number>
  /** It holds damaged records of live chunks: compaction leaves it alone. */
  damaged: boolean
}

const KILL_BYTES = recordBytes(0)

/** The packs and the index of what lies in them, kept in step: all that one learns from reading every pack in order. */
export class PackSet {
  readonly #index = new PackIndex()
  readonly #packs = new Map<number, Pack>()
  /** Sum of the sizes of the chunks. */
  liveBytes = 0

  get index(): PackIndex {
    return this.#index
  }

  get packs(): Iterable<Pack> {
    return this.#packs.values()
  }

  get storedBytes(): number {
    let sum = 0
    for (const pack of this.#packs.values()) sum += pack.sizeBytes
    return sum
  }

  add(number: number, salt: Buffer): Pack {
    const pack = { number, salt, sizeBytes: PACK_HEADER_BYTES, liveBytes: 0, liveChunks: 0, kills: new Map(), damaged: false }
    this.#packs.set(number, pack)
    return pack
  }

  find(number: number): Pack | undefined {
    return this.#packs.get(number)
  }

  has(number: number): boolean {
    return this.#packs.has(number)
  }

  /** Forgets a pack that is gone. The kills that aimed at it have done their duty. */
  drop(number: number): void {
    assert((this.#packs.get(number)?.liveChunks ?? 0) === 0, `pack ${number} still has live chunks`)
    this.#packs.delete(number)
    for (const pack of this.#packs.values()) pack.kills.delete(number)
  }

  clear(): void {
    this.#index.clear()
    this.#packs.clear()
    this.liveBytes = 0
  }

  /** Takes in a record of the pack `at.pack`, which must be known. Records are applied in the order of the log; to meet
   *  one twice changes nothing. */
  apply(header: RecordHeader, at: Location, touchedAtMs: number): void {
    const { id, lengthBytes, kills } = header
    const pack = this.#packs.get(at.pack)
    assert(pack !== undefined, `pack ${at.pack} is not known`)
    let touched = touchedAtMs
    if (kills !== undefined) {
      const known = this.#index.find(id)
      if (known !== undefined && known.pack === kills.pack && known.offset === kills.offset) {
        touched = Math.max(touched, known.touchedAtMs)
        this.#remove(id, known)
      }
      if (kills.pack !== at.pack && this.#packs.has(kills.pack)) pack.kills.set(kills.pack, (pack.kills.get(kills.pack) ?? 0) + 1)
    }
    if (lengthBytes > 0) this.place(id, { ...at, lengthBytes, touchedAtMs: touched })
  }

  /** The chunk lies there, and nowhere else that counts. */
  place(id: ChunkId, chunk: PackedChunk): void {
    const pack = this.#packs.get(chunk.pack)
    assert(pack !== undefined, `pack ${chunk.pack} is not known`)
    const known = this.#index.find(id)
    if (known !== undefined) this.#remove(id, known)
    this.#index.set(id, chunk)
    pack.liveBytes += recordBytes(chunk.lengthBytes)
    pack.liveChunks += 1
    this.liveBytes += chunk.lengthBytes
  }

  touch(id: ChunkId, touchedAtMs: number): void {
    const known = this.#index.find(id)
    if (known !== undefined && known.touchedAtMs < touchedAtMs) this.#index.set(id, { ...known, touchedAtMs })
  }

  /** The share of the pack that compaction would have to keep: live chunks, and kills that are still needed. */
  liveShare(pack: Pack): number {
    let kills = 0
    for (const count of pack.kills.values()) kills += count
    return Math.min(1, (pack.liveBytes + kills * KILL_BYTES) / Math.max(1, pack.sizeBytes - PACK_HEADER_BYTES))
  }

  #remove(id: ChunkId, known: PackedChunk): void {
    this.#index.delete(id)
    this.liveBytes -= known.lengthBytes
    const pack = this.#packs.get(known.pack)
    if (pack === undefined) return
    pack.liveBytes -= recordBytes(known.lengthBytes)
    pack.liveChunks -= 1
  }
}
