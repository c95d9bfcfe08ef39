import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import { asShoalError } from './as-shoal-error.ts'

/** What arrives is passed on from this much on: TLS brings pieces of 16 KiB, and a frame for each would cost more than it gains. */
const PASSED_ON_BYTES = 128 * 1024

/** What gives pieces to `take` as they come, and resolves once all have been taken. */
export interface PieceSource {
  each(take: (piece: Uint8Array) => void): Promise<void>
}

/** A chunk that is being received into one buffer, and can be passed on meanwhile, by each reader at its own pace and uncopied:
 *  what a slow reader hasn't taken yet waits in that buffer, and holds up neither the sender nor the other readers. */
export class ArrivingChunk {
  readonly id: ChunkId
  readonly #bytes: Buffer
  #arrivedBytes = 0
  #failure: ShoalError | undefined
  readonly #ended = Promise.withResolvers<void>()
  #isEnded = false
  #waiting: { readonly wantedBytes: number; readonly resolve: () => void }[] = []

  /** `bytes` is as long as the chunk, and belongs to it from now on. */
  constructor(id: ChunkId, bytes: Buffer) {
    this.id = id
    this.#bytes = bytes
  }

  get sizeBytes(): number {
    return this.#bytes.length
  }

  /** Takes everything that comes, and copies it once. Never rejects: `whole` and `pieces` fail with what it has failed with, and
   *  with CORRUPT if more or less comes than the chunk has. */
  async fill(source: PieceSource): Promise<void> {
    try {
      await source.each((piece) => {
        if (piece.length > this.sizeBytes - this.#arrivedBytes) throw this.#wrongSize('more')
        this.#bytes.set(piece, this.#arrivedBytes)
        this.#arrivedBytes += piece.length
        this.#wake()
      })
      if (this.#arrivedBytes < this.sizeBytes) throw this.#wrongSize('fewer')
    } catch (error) {
      this.#failure = asShoalError(error)
    }
    this.#isEnded = true
    this.#ended.resolve()
    this.#wake()
  }

  /** All the bytes, once they are there: the buffer itself. Nobody has compared them with the id. */
  async whole(): Promise<Buffer> {
    await this.#ended.promise
    if (this.#failure !== undefined) throw this.#failure
    return this.#bytes
  }

  /** The bytes as they come, from the beginning on: parts of the buffer, which don't change any more. */
  async *pieces(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.sizeBytes;) {
      await this.#until(Math.min(this.sizeBytes, at + PASSED_ON_BYTES))
      const end = this.#arrivedBytes
      yield this.#bytes.subarray(at, end)
      at = end
    }
    // More may have come than it has room for.
    await this.whole()
  }

  async #until(wantedBytes: number): Promise<void> {
    if (!this.#isEnded && this.#arrivedBytes < wantedBytes)
      await new Promise<void>((resolve) => void this.#waiting.push({ wantedBytes, resolve }))
    if (this.#failure !== undefined) throw this.#failure
  }

  #wake(): void {
    if (this.#waiting.length === 0) return
    const due = this.#waiting.filter(({ wantedBytes }) => this.#isEnded || this.#arrivedBytes >= wantedBytes)
    if (due.length === 0) return
    this.#waiting = this.#waiting.filter((each) => !due.includes(each))
    for (const { resolve } of due) resolve()
  }

  #wrongSize(what: 'more' | 'fewer'): ShoalError {
    return new ShoalError('CORRUPT', `Chunk ${this.id} arrived with ${what} than the ${this.sizeBytes} bytes that were announced`)
  }
}
