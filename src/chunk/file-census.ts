import type { ChunkId } from '#foundation/ids.ts'

/** Counts the chunk files while others write and remove them. The count goes through the folders in ascending order;
 *  a change behind it is added, one before it will be met, and one in the folder at hand is remembered, so that the file
 *  is counted once however the two interleave. Changes of one file and its being counted exclude each other. */
export class FileCensus {
  #chunks = 0
  #liveBytes = 0
  #storedBytes = 0
  /** The folder being counted, as the four characters that its ids begin with; all before it are done. */
  #folder = ''
  #finished = false
  /** Files of the folder at hand that need not be counted any more. */
  readonly #settled = new Set<ChunkId>()

  get counts(): { readonly chunks: number; readonly liveBytes: number; readonly storedBytes: number } {
    return { chunks: this.#chunks, liveBytes: this.#liveBytes, storedBytes: this.#storedBytes }
  }

  /** To be called before the folder is listed. */
  beginFolder(folder: string): void {
    this.#settled.clear()
    this.#folder = folder
  }

  finish(): void {
    this.#settled.clear()
    this.#finished = true
  }

  /** A file that the count has met. */
  count(id: ChunkId, payloadBytes: number, fileBytes: number): void {
    if (this.#settled.has(id)) return
    this.#settled.add(id)
    this.#add(1, payloadBytes, fileBytes)
  }

  added(id: ChunkId, payloadBytes: number, fileBytes: number): void {
    if (this.#isAhead(id)) return
    this.#remember(id)
    this.#add(1, payloadBytes, fileBytes)
  }

  removed(id: ChunkId, payloadBytes: number, fileBytes: number): void {
    if (this.#isAhead(id)) return
    const counted = this.#finished || id.slice(0, 4) < this.#folder || this.#settled.has(id)
    this.#remember(id)
    if (counted) this.#add(-1, -payloadBytes, -fileBytes)
  }

  #isAhead(id: ChunkId): boolean {
    return !this.#finished && id.slice(0, 4) > this.#folder
  }

  #remember(id: ChunkId): void {
    if (!this.#finished && id.startsWith(this.#folder)) this.#settled.add(id)
  }

  #add(chunks: number, liveBytes: number, storedBytes: number): void {
    this.#chunks += chunks
    this.#liveBytes += liveBytes
    this.#storedBytes += storedBytes
  }
}
