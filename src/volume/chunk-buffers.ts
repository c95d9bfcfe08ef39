import { ShoalError } from '#foundation/errors.ts'
import type { Digests } from '#platform/digests.ts'

/** Lends out buffers in which chunks are filled, and bounds how many bytes of them there are: whoever comes when all are
 *  lent waits, first come first served, and so the network behind it. Buffers that come back are kept: a fresh one costs
 *  a page fault for every 4 KiB, and one that is dropped takes memory until the garbage collectors of all threads that
 *  have seen it have run. */
export class ChunkBuffers {
  readonly #limitBytes: number
  readonly #free = new Map<number, Buffer[]>()
  readonly #waiting: { sizeBytes: number; resolve: (buffer: Buffer) => void }[] = []
  #lentBytes = 0
  #keptBytes = 0
  #wasBorrowed = false

  readonly #digests: Digests

  constructor(limitBytes: number, digests: Digests) {
    this.#limitBytes = limitBytes
    this.#digests = digests
  }

  /** A buffer of exactly `sizeBytes`, its contents arbitrary. @throws CANCELLED when `signal` aborts first */
  async borrow(sizeBytes: number, signal?: AbortSignal): Promise<Buffer> {
    if (this.#waiting.length === 0 && this.#hasRoom(sizeBytes)) return this.#lend(sizeBytes)
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const waiter = { sizeBytes, resolve }
    this.#waiting.push(waiter)
    const onAbort = () => {
      const at = this.#waiting.indexOf(waiter)
      if (at < 0) return
      this.#waiting.splice(at, 1)
      reject(new ShoalError('CANCELLED', 'The write was cancelled while it waited for memory'))
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Takes a buffer back that `borrow` gave; it must not be used any more. */
  giveBack(buffer: Buffer): void {
    this.#lentBytes -= buffer.length
    if (this.#lentBytes + this.#keptBytes + buffer.length <= this.#limitBytes) this.#keep(buffer)
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.sizeBytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      next.resolve(this.#lend(next.sizeBytes))
    }
  }

  #hasRoom(sizeBytes: number): boolean {
    // One is always lent, however large, or a volume of large chunks could never be written.
    return this.#lentBytes === 0 || this.#lentBytes + sizeBytes <= this.#limitBytes
  }

  /** Drops what is kept if nothing was borrowed since the last call. */
  trim(): void {
    if (!this.#wasBorrowed && this.#lentBytes === 0) this.#drop()
    this.#wasBorrowed = this.#lentBytes > 0
  }

  #drop(): void {
    this.#free.clear()
    this.#keptBytes = 0
  }

  #lend(sizeBytes: number): Buffer {
    this.#wasBorrowed = true
    this.#lentBytes += sizeBytes
    const kept = this.#free.get(sizeBytes)?.pop()
    if (kept !== undefined) {
      this.#keptBytes -= sizeBytes
      return kept
    }
    // What is kept has other lengths, and makes room.
    if (this.#lentBytes + this.#keptBytes > this.#limitBytes) this.#drop()
    return this.#digests.allocate(sizeBytes)
  }

  #keep(buffer: Buffer): void {
    const list = this.#free.get(buffer.length) ?? []
    list.push(buffer)
    this.#free.set(buffer.length, list)
    this.#keptBytes += buffer.length
  }
}
