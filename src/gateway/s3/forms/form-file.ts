import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import type { LengthRange } from './post-policy.ts'

const NONE: ReadonlyMap<string, string> = new Map()

/** The file of a form: how long it is shows only at its end. */
export class FormFile implements S3Payload {
  readonly lengthBytes = undefined
  readonly sha256 = undefined
  readonly trailerNames: readonly string[] = []
  readonly trailers = NONE
  readonly #bytes: AsyncIterable<Buffer>
  readonly #range: LengthRange

  constructor(bytes: AsyncIterable<Buffer>, range: LengthRange) {
    this.#bytes = bytes
    this.#range = range
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    let sizeBytes = 0
    for await (const piece of this.#bytes) {
      sizeBytes += piece.length
      if (sizeBytes > this.#range.max)
        throw new S3Error('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
          elements: { MaxSizeAllowed: this.#range.max },
        })
      yield piece
    }
    if (sizeBytes < this.#range.min)
      throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
        elements: { ProposedSize: sizeBytes, MinSizeAllowed: this.#range.min },
      })
  }

  /** The pieces are views of what goes on to be read. */
  release(): void {}

  async collect(): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this) pieces.push(piece)
    return Buffer.concat(pieces)
  }
}
