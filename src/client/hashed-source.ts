import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'

/** Bytes that can be read again, as retries and resumed uploads need them. */
export interface ByteSource {
  readonly sizeBytes: number
  /** The bytes of `[offset, offset + length)`, from the start at every call. Each piece is good until the next but one is asked for. */
  read(offset: number, length: number): AsyncIterable<Uint8Array>
}

export interface HashedBody {
  /** Opens the body; again for every try. */
  readonly open: () => AsyncIterable<Uint8Array>
  /** SHA-256 of what the newest opening has delivered, once it is through. */
  digest(): string
}

/** A range of `source` as a body that hashes what goes through it. `onBytes` hears of progress, and of a step back when
 *  the body is opened again. */
export function hashedBody(
  source: ByteSource,
  range: { offset: number; length: number },
  onBytes: (delta: number) => void,
): HashedBody {
  let hash = createHash('sha256')
  let sentBytes = 0
  async function* open(): AsyncGenerator<Uint8Array, void, undefined> {
    onBytes(-sentBytes)
    sentBytes = 0
    hash = createHash('sha256')
    for await (const chunk of source.read(range.offset, range.length)) {
      hash.update(chunk)
      sentBytes += chunk.length
      onBytes(chunk.length)
      yield chunk
    }
    if (sentBytes !== range.length) {
      throw new ShoalError(
        'CONFLICT',
        `The file changed while it was being sent: ${sentBytes} of ${range.length} bytes were there`,
      )
    }
  }
  return { open, digest: () => hash.digest('hex') }
}

/** @throws DIGEST_MISMATCH */
export function checkStored({ what, sent, stored }: { what: string; sent: string; stored: string | undefined }): void {
  if (stored === undefined || stored === sent) return
  throw new ShoalError('DIGEST_MISMATCH', `${what} was damaged on the way: sent SHA-256 ${sent}, the server stored ${stored}`)
}
