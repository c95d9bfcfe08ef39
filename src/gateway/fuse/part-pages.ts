import type { DirtyPiece } from './dirty-ranges.ts'

/** Gives the kernel what it lacks of a file that nobody has open. */
export type CompletePages = (nodeId: number, piece: DirtyPiece) => void

const PAGE_BYTES = 4096
/** To give the kernel more costs as much as to have it ask. */
const GIVEN_BYTES_MAX = 64 * 1024

/** The pages of a file that were written in parts. The kernel takes a page for the file's only if one write has filled it, and asks for
 *  all others when somebody reads them: of a short file mostly the last one, which is all of it. */
export class PartPages {
  /** Where the first of them begins. */
  #from = Infinity
  /** What was stored last, if nothing has changed since. */
  #stored: DirtyPiece | undefined

  /** The kernel has written `length` bytes. */
  wrote(offset: number, length: number): void {
    for (const edge of [offset, offset + length])
      if (edge % PAGE_BYTES !== 0) this.#from = Math.min(this.#from, edge - (edge % PAGE_BYTES))
  }

  /** A piece is in the volume. A short one is kept, of a long one a copy of its end. */
  stored({ offset, bytes }: DirtyPiece): void {
    if (bytes.length <= GIVEN_BYTES_MAX) {
      this.#stored = { offset, bytes }
      return
    }
    const start = bytes.length - ((offset + bytes.length) % PAGE_BYTES)
    this.#stored = { offset: offset + start, bytes: Buffer.from(bytes.subarray(start)) }
  }

  /** The contents aren't what was stored any more. */
  changed(): void {
    this.#stored = undefined
  }

  /** What the kernel lacks of the contents, from some page on to the end of the file, if that is at hand. */
  lacking(sizeBytes: number): DirtyPiece | undefined {
    const from = this.#from
    if (this.#stored === undefined || from >= sizeBytes || sizeBytes - from > GIVEN_BYTES_MAX) return undefined
    const { offset, bytes } = this.#stored
    if (offset > from || offset + bytes.length !== sizeBytes) return undefined
    return { offset: from, bytes: bytes.subarray(from - offset) }
  }
}
