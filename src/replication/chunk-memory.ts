import { assert } from '#foundation/assert.ts'
import type { Digests } from '#platform/digests.ts'

/** Sixteen chunks of a volume as it comes: as many as arrive at a busy node at a time. */
const KEPT_BYTES_MAX = 128 * 1024 * 1024
/** A shorter buffer costs less than to look after it. */
const KEPT_BYTES_MIN = 256 * 1024
/** Room for the last chunk of a file, which may have any length, is one of so many sizes between a power of two and the next. */
const SIZES_EACH = 4

export type ChunkRoom = Pick<ChunkMemory, 'take' | 'giveBack'>

/** Memory for chunks on their way from node to node, used again and again. V8 doesn't count shared memory, and each thread that has seen some keeps it until its own
 *  collector has run: left to that, three nodes that took in 60 MiB/s had 4 GB, and each new buffer a page fault for every 4 KiB, which take ten times as long as to
 *  copy a chunk into a buffer that has been used. */
export class ChunkMemory {
  readonly #digests: Pick<Digests, 'allocate'>
  /** All that was made and may be kept, by its memory. */
  readonly #made = new WeakMap<ArrayBufferLike, { readonly whole: Buffer; isTaken: boolean }>()
  /** The oldest first. */
  readonly #kept: Buffer[] = []
  #keptBytes = 0
  #wasTaken = false

  constructor(digests: Pick<Digests, 'allocate'>) {
    this.#digests = digests
  }

  /** A buffer of exactly `sizeBytes`, its contents arbitrary, at the beginning of its memory. */
  take(sizeBytes: number): Buffer {
    this.#wasTaken = true
    if (sizeBytes < KEPT_BYTES_MIN || sizeBytes > KEPT_BYTES_MAX) return this.#digests.allocate(sizeBytes)
    const room = roomFor(sizeBytes)
    const at = this.#kept.findLastIndex(({ length }) => length === room)
    const whole = at === -1 ? this.#digests.allocate(room) : this.#remove(at)
    this.#made.set(whole.buffer, { whole, isTaken: true })
    // Of what is longer than asked for, the system gives the memory only once it is written to.
    return whole.subarray(0, sizeBytes)
  }

  /** Takes a buffer back that nobody reads or writes any more. Whoever isn't sure of that leaves it to the garbage collector. */
  giveBack(buffer: Buffer): void {
    const made = this.#made.get(buffer.buffer)
    if (made === undefined) return
    assert(made.isTaken, 'The memory of a chunk was given back twice')
    made.isTaken = false
    this.#kept.push(made.whole)
    this.#keptBytes += made.whole.length
    while (this.#keptBytes > KEPT_BYTES_MAX) this.#remove(0)
  }

  /** Drops what is kept if nothing was taken since the last call. */
  trim(): void {
    if (!this.#wasTaken) {
      this.#kept.length = 0
      this.#keptBytes = 0
    }
    this.#wasTaken = false
  }

  #remove(at: number): Buffer {
    const [whole] = this.#kept.splice(at, 1) as [Buffer]
    this.#keptBytes -= whole.length
    return whole
  }
}

function roomFor(sizeBytes: number): number {
  const step = 2 ** (Math.ceil(Math.log2(sizeBytes)) - 1) / SIZES_EACH
  return Math.ceil(sizeBytes / step) * step
}
