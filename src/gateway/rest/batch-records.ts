import { ShoalError } from '#foundation/errors.ts'
import { checkJson, parseJson } from './read-request.ts'
import { BatchHeaderSchema } from './schemas.ts'
import type { BatchHeader } from './schemas.ts'

/** Of one record's JSON: a path of 16 KiB with every byte escaped, and room for the rest. */
const MAX_HEADER_BYTES = 128 * 1024
export const MAX_BATCH_FILE_BYTES = 1024 * 1024

/** A record of a batch; `problem` is what is wrong with it, when the stream can go on behind it all the same. */
export type BatchRecord =
  | { readonly kind: 'record'; readonly header: BatchHeader; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly problem: ShoalError }

/** Cuts a stream into records as docs/rest.md describes them. Memory: one record and one piece of the stream.
 *  @throws INVALID_ARGUMENT where nobody can say where the next record begins; INCOMPLETE_BODY in the middle of one */
export async function* readBatchRecords(body: AsyncIterator<Buffer>): AsyncGenerator<BatchRecord, void, undefined> {
  const reader = new ByteReader(body)
  for (let index = 0; ; index += 1) {
    const prefix = reader.takeNow(4) ?? (await reader.take(4))
    if (prefix === undefined) return
    const headerBytes = prefix.readUInt32BE(0)
    if (headerBytes === 0 || headerBytes > MAX_HEADER_BYTES) {
      throw new ShoalError(
        'INVALID_ARGUMENT',
        `Record ${index} announces a header of ${headerBytes} bytes: 1 to ${MAX_HEADER_BYTES} are possible`,
      )
    }
    const raw = reader.takeNow(headerBytes) ?? (await reader.takeAll(headerBytes, index))
    const { value, sizeBytes } = readHeader(raw, index)
    let header: BatchHeader
    try {
      header = value === undefined ? parseJson(raw, BatchHeaderSchema) : checkJson(value, BatchHeaderSchema)
      if (sizeBytes > MAX_BATCH_FILE_BYTES) {
        throw new ShoalError(
          'TOO_LARGE',
          `A file of a batch has at most ${MAX_BATCH_FILE_BYTES} bytes, not ${sizeBytes}: send it by itself`,
        )
      }
    } catch (error) {
      await reader.skip(sizeBytes, index)
      yield { kind: 'refused', problem: error as ShoalError }
      continue
    }
    yield { kind: 'record', header, bytes: reader.takeNow(sizeBytes) ?? (await reader.takeAll(sizeBytes, index)) }
  }
}

/** The header, and how many bytes follow, even behind one that is refused for something else. It is left out if it may not
 *  be in UTF-8. */
function readHeader(raw: Buffer, index: number): { value: unknown; sizeBytes: number } {
  const text = raw.toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `The header of record ${index} is not JSON, and the batch can't be read any further`,
      { cause },
    )
  }
  const size = (value as { size?: unknown } | null)?.size ?? 0
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `The size of record ${index} is not a length in bytes, and the batch can't be read any further`,
    )
  }
  return { value: text.includes('\ufffd') ? undefined : value, sizeBytes: size }
}

class ByteReader {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source
  }

  /** Exactly `length` bytes, if they are here already. */
  takeNow(length: number): Buffer | undefined {
    return this.#rest.length >= length ? this.#cut(length) : undefined
  }

  /** Exactly `length` bytes; `undefined` at the end of the stream. @throws INCOMPLETE_BODY in between */
  async take(length: number): Promise<Buffer | undefined> {
    if (this.#rest.length >= length) return this.#cut(length)
    const pieces = [this.#rest]
    let haveBytes = this.#rest.length
    while (haveBytes < length) {
      const next = await this.#source.next()
      if (next.done === true) {
        if (haveBytes === 0) return undefined
        throw new ShoalError(
          'INCOMPLETE_BODY',
          'The batch ended in the middle of a record; the records answered before it are stored',
        )
      }
      pieces.push(next.value)
      haveBytes += next.value.length
    }
    this.#rest = Buffer.concat(pieces, haveBytes)
    return this.#cut(length)
  }

  async takeAll(length: number, index: number): Promise<Buffer> {
    const bytes = await this.take(length)
    if (bytes === undefined && length > 0) throw new ShoalError('INCOMPLETE_BODY', `The batch ended within record ${index}`)
    return bytes ?? Buffer.alloc(0)
  }

  async skip(length: number, index: number): Promise<void> {
    let leftBytes = length
    while (leftBytes > 0) {
      const piece = await this.takeAll(Math.min(leftBytes, MAX_BATCH_FILE_BYTES), index)
      leftBytes -= piece.length
    }
  }

  #cut(length: number): Buffer {
    const taken = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    return taken
  }
}
