import type { Digests } from '#platform/digests.ts'

/** Eight chunks of a volume as it comes: as many as arrive at a busy node at a time. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024
/** A shorter buffer costs less than to look after it. */
const KEPT_BYTES_MIN = 256 * 1024

export type ChunkRoom = Pick<ChunkMemory, 'take' | 'giveBack'>

/** Memory for chunks on their way from node to node, used again and again. V8 doesn't count shared memory, and each thread that has seen some keeps it until its own
 *  collector has run: left to that, three nodes that took in 60 MiB/s had 4 GB, and each new buffer a page fault for every 4 KiB. */
export class ChunkMemory {
  readonly #digests: Pick<Digests, 'allocate'>
  /** The oldest first. */
  readonly #kept: Buffer[] = []
  #keptBytes = 0

  constructor(digests: Pick<Digests, 'allocate'>) {
    this.#digests = digests
  }

  /** A buffer of exactly `sizeBytes`, its contents arbitrary. */
  take(sizeBytes: number): Buffer {
    const at = this.#kept.findLastIndex(({ length }) => length === sizeBytes)
    return at === -1 ? this.#digests.allocate(sizeBytes) : this.#remove(at)
  }

  /** Takes a buffer back that nobody reads or writes any more. Whoever isn't sure of that leaves it to the garbage collector. */
  giveBack(buffer: Buffer): void {
    if (buffer.length < KEPT_BYTES_MIN || buffer.length > KEPT_BYTES_MAX) return
    this.#kept.push(buffer)
    this.#keptBytes += buffer.length
    while (this.#keptBytes > KEPT_BYTES_MAX) this.#remove(0)
  }

  #remove(at: number): Buffer {
    const [buffer] = this.#kept.splice(at, 1) as [Buffer]
    this.#keptBytes -= buffer.length
    return buffer
  }
}
