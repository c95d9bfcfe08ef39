import type { Digests } from '#platform/digests.ts'

/** Buffers for reading ahead, used again: a fresh one costs a page fault for every 4 KiB. Those in use aren't bounded
 *  here, since each reader bounds its own. */
export class ReadBuffers {
  readonly #digests: Digests
  readonly #sizeBytes: number
  readonly #keptMax: number
  readonly #free: Buffer[] = []
  #wasUsed = false

  constructor(digests: Digests, options: { readonly sizeBytes: number; readonly keptMax: number }) {
    this.#digests = digests
    this.#sizeBytes = options.sizeBytes
    this.#keptMax = options.keptMax
  }

  /** Its contents are arbitrary. */
  take(): Buffer {
    this.#wasUsed = true
    return this.#free.pop() ?? this.#digests.allocate(this.#sizeBytes)
  }

  /** Nobody may use `buffer` any more. */
  giveBack(buffer: Buffer): void {
    if (this.#free.length < this.#keptMax) this.#free.push(buffer)
  }

  /** Drops what is kept if nothing was taken since the last call. */
  trim(): void {
    if (!this.#wasUsed) this.#free.length = 0
    this.#wasUsed = false
  }
}
