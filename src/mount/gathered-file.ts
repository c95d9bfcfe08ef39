import type { AppendFile } from '#platform/append-files.ts'

/** What is held back at most: some files of a few KiB with all that is done to them before they are closed. */
const GATHERED_BYTES_MAX = 64 * 1024

/** A file of which the end may be held back for a moment, in memory: a call of the system for each of several short pieces takes longer than
 *  their bytes. Positions and lengths are those that it has with what is held back, which is never behind anything that is written. */
export class GatheredFile implements AppendFile {
  readonly #inner: AppendFile
  readonly #gathered = Buffer.allocUnsafeSlow(GATHERED_BYTES_MAX)
  #gatheredBytes = 0

  constructor(inner: AppendFile) {
    this.#inner = inner
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes + this.#gatheredBytes
  }

  /** Holds the pieces back until something else is appended, or `commit`; where there is no room for them they are written at once. The pieces
   *  are the caller's again when it returns. Where it throws, nothing of them is in the file. */
  gather(pieces: readonly Uint8Array[]): void {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (this.#gatheredBytes + length > GATHERED_BYTES_MAX) {
      this.append(pieces)
      return
    }
    for (const piece of pieces) {
      this.#gathered.set(piece, this.#gatheredBytes)
      this.#gatheredBytes += piece.length
    }
  }

  append(pieces: readonly Uint8Array[]): number {
    const start = this.sizeBytes
    this.#inner.append(this.#gatheredBytes === 0 ? pieces : [this.#gathered.subarray(0, this.#gatheredBytes), ...pieces])
    this.#gatheredBytes = 0
    return start
  }

  /** Writes what is held back. Where it throws, that stays held back. */
  commit(): void {
    if (this.#gatheredBytes > 0) this.append([])
  }

  read(target: Uint8Array, position: number): number {
    if (position + target.length > this.#inner.sizeBytes) this.commit()
    return this.#inner.read(target, position)
  }

  cut(sizeBytes: number): void {
    this.commit()
    this.#inner.cut(sizeBytes)
  }

  async datasync(): Promise<void> {
    this.commit()
    await this.#inner.datasync()
  }

  tryLock(): boolean {
    return this.#inner.tryLock()
  }

  close(): void {
    try {
      this.commit()
    } finally {
      this.#inner.close()
    }
  }
  drop(): void {
    this.#gatheredBytes = 0
    this.#inner.drop()
  }
}
