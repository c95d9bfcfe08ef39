import { assert } from '#foundation/assert.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Location } from './pack-format.ts'

export interface PackedChunk extends Location {
  readonly lengthBytes: number
  readonly touchedAtMs: number
}

/** A slot is 12 words of 32 bits: eight of the id, pack (0: the slot is free), offset, the second when it was touched, and
 *  in the last one its millisecond (10 bits) above the length less one (18 bits). */
const SLOT_WORDS = 12
const PACK = 8
const OFFSET = 9
const SECOND = 10
const REST = 11
const LENGTH_BITS = 18
const LENGTH_MASK = (1 << LENGTH_BITS) - 1

/** 48 bytes a slot, at least 68 % of the slots of a large shard in use: at most 71 bytes a chunk. */
const MAX_LOAD = 0.85
const GROWTH = 1.25
const MIN_SLOTS = 8
const SHARDS = 256

/** What a checkpoint keeps of an entry: id, pack, offset, length. */
export const INDEX_ENTRY_BYTES = 44

/** Where each packed chunk lies. Open addressing over typed arrays, in 256 shards by the first byte of the id, so that
 *  no single growth takes long and ids come in order shard by shard. Ids are SHA-256, so that any of their bits will do
 *  for a hash. */
export class PackIndex {
  readonly #shards = Array.from({ length: SHARDS }, () => new Shard())
  readonly #wanted = new Uint32Array(8)
  readonly #wantedBytes = Buffer.from(this.#wanted.buffer)

  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.size, 0)
  }

  /** What the tables take. */
  get reservedBytes(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.reservedBytes, 0)
  }

  find(id: ChunkId): PackedChunk | undefined {
    return this.#shardOf(id).find(this.#wanted)
  }

  /** Adds the chunk or replaces what is known of it. */
  set(id: ChunkId, chunk: PackedChunk): void {
    this.#shardOf(id).set(this.#wanted, chunk)
  }

  delete(id: ChunkId): boolean {
    return this.#shardOf(id).delete(this.#wanted)
  }

  clear(): void {
    for (const shard of this.#shards) shard.clear()
  }

  /** The ids that begin with this byte, in ascending order. */
  idsIn(firstByte: number): ChunkId[] {
    const shard = this.#shard(firstByte)
    // Of many lists of a small store most are of nothing.
    return shard.size === 0 ? [] : [...shard.ids()].toSorted()
  }

  /** Entries of the ids that begin with this byte, as a checkpoint keeps them. */
  exportEntries(firstByte: number): Buffer {
    return this.#shard(firstByte).export()
  }

  #shard(firstByte: number): Shard {
    const shard = this.#shards[firstByte]
    assert(shard !== undefined, `there is no shard ${firstByte}`)
    return shard
  }

  /** Also leaves the id's words in `#wanted`. */
  #shardOf(id: ChunkId): Shard {
    this.#wantedBytes.write(id, 'hex')
    return this.#shard(this.#wantedBytes[0] as number)
  }
}

/** The words of all shards that nothing was ever put into: a small store has hundreds. They are never written. */
const NO_ENTRIES = new Uint32Array(MIN_SLOTS * SLOT_WORDS)

class Shard {
  #words = NO_ENTRIES
  #slots = MIN_SLOTS
  size = 0

  get reservedBytes(): number {
    return this.#words.byteLength
  }

  find(id: Uint32Array): PackedChunk | undefined {
    const at = this.#seek(id)
    if (this.#words[at + PACK] === 0) return undefined
    const words = this.#words
    const rest = words[at + REST] as number
    return {
      pack: words[at + PACK] as number,
      offset: words[at + OFFSET] as number,
      lengthBytes: (rest & LENGTH_MASK) + 1,
      touchedAtMs: (words[at + SECOND] as number) * 1_000 + (rest >>> LENGTH_BITS),
    }
  }

  set(id: Uint32Array, chunk: PackedChunk): void {
    if (this.#words === NO_ENTRIES) this.#words = new Uint32Array(MIN_SLOTS * SLOT_WORDS)
    let at = this.#seek(id)
    if (this.#words[at + PACK] === 0) {
      this.size += 1
      if (this.size > this.#slots * MAX_LOAD) {
        this.#resize(Math.ceil(this.#slots * GROWTH))
        at = this.#seek(id)
      }
    }
    const words = this.#words
    words.set(id, at)
    words[at + PACK] = chunk.pack
    words[at + OFFSET] = chunk.offset
    words[at + SECOND] = Math.floor(chunk.touchedAtMs / 1_000)
    words[at + REST] = (Math.floor(chunk.touchedAtMs % 1_000) << LENGTH_BITS) | (chunk.lengthBytes - 1)
  }

  delete(id: Uint32Array): boolean {
    let hole = this.#seek(id)
    if (this.#words[hole + PACK] === 0) return false
    this.size -= 1
    // Entries behind the hole move up unless they are at home after it, so that no search ends too early.
    for (let next = this.#after(hole); this.#words[next + PACK] !== 0; next = this.#after(next)) {
      const home = this.#home(this.#words[next + 1] as number)
      const staysPut = hole <= next ? hole < home && home <= next : hole < home || home <= next
      if (staysPut) continue
      this.#words.copyWithin(hole, next, next + SLOT_WORDS)
      hole = next
    }
    this.#words.fill(0, hole, hole + SLOT_WORDS)
    if (this.#slots > MIN_SLOTS && this.size < this.#slots * 0.3) this.#resize(Math.max(MIN_SLOTS, Math.ceil(this.size / 0.7)))
    return true
  }

  clear(): void {
    this.#slots = MIN_SLOTS
    this.#words = NO_ENTRIES
    this.size = 0
  }

  *ids(): Generator<ChunkId> {
    const bytes = Buffer.from(this.#words.buffer)
    for (let at = 0; at < this.#words.length; at += SLOT_WORDS) {
      if (this.#words[at + PACK] !== 0) yield bytes.toString('hex', at * 4, at * 4 + 32) as ChunkId
    }
  }

  export(): Buffer {
    const bytes = Buffer.from(this.#words.buffer)
    const entries = Buffer.allocUnsafeSlow(this.size * INDEX_ENTRY_BYTES)
    let to = 0
    for (let at = 0; at < this.#words.length; at += SLOT_WORDS) {
      if (this.#words[at + PACK] === 0) continue
      bytes.copy(entries, to, at * 4, at * 4 + 32)
      entries.writeUInt32LE(this.#words[at + PACK] as number, to + 32)
      entries.writeUInt32LE(this.#words[at + OFFSET] as number, to + 36)
      entries.writeUInt32LE(((this.#words[at + REST] as number) & LENGTH_MASK) + 1, to + 40)
      to += INDEX_ENTRY_BYTES
    }
    return entries
  }

  #home(hash: number): number {
    return Math.floor((hash / 2 ** 32) * this.#slots) * SLOT_WORDS
  }

  #after(at: number): number {
    const next = at + SLOT_WORDS
    return next === this.#words.length ? 0 : next
  }

  /** Where the id's slot begins, or the free slot that it would get. */
  #seek(id: Uint32Array): number {
    const words = this.#words
    let at = this.#home(id[1] as number)
    while (words[at + PACK] !== 0 && !sameId(words, at, id)) at = this.#after(at)
    return at
  }

  #resize(slots: number): void {
    const old = this.#words
    this.#slots = slots
    this.#words = new Uint32Array(slots * SLOT_WORDS)
    for (let at = 0; at < old.length; at += SLOT_WORDS) {
      if (old[at + PACK] === 0) continue
      const slot = old.subarray(at, at + SLOT_WORDS)
      this.#words.set(slot, this.#seek(slot))
    }
  }
}

function sameId(words: Uint32Array, at: number, id: Uint32Array): boolean {
  for (let word = 0; word < 8; word += 1) if (words[at + word] !== id[word]) return false
  return true
}
