import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { RequestBody } from '#gateway/http/request-body.ts'
import { ChunkSignatures } from '../auth/chunk-signatures.ts'
import type { Seed } from '../auth/verify-signature.ts'
import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

/** `400000;chunk-signature=` and 64 characters are 89 bytes. */
const MAX_LINE_BYTES = 1_024
/** A few checksums and a signature. */
const MAX_TRAILER_BYTES = 16 * 1024

export interface ChunkedFacts {
  /** x-amz-decoded-content-length. */
  readonly lengthBytes: number
  /** Of signed chunks: the signature of the request. */
  readonly seed: Seed | undefined
  readonly hasTrailer: boolean
  readonly trailerNames: readonly string[]
}

/** A payload in the coding `aws-chunked`: chunks with their length in hexadecimal, perhaps a signature each, a chunk of
 *  length 0, and perhaps trailers. It is decoded and verified as it passes; nothing but lines is kept. */
export class ChunkedPayload implements S3Payload {
  readonly lengthBytes: number
  readonly sha256 = undefined
  readonly trailerNames: readonly string[]
  readonly trailers = new Map<string, string>()
  readonly #open: () => Promise<RequestBody>
  readonly #facts: ChunkedFacts
  readonly #signatures: ChunkSignatures | undefined
  /** Received, and not looked at yet. */
  #rest: Buffer = EMPTY
  #source: RequestBody | undefined

  /** `open` begins to read the body. */
  constructor(open: () => Promise<RequestBody>, facts: ChunkedFacts) {
    this.#open = open
    this.#facts = facts
    this.#signatures = facts.seed === undefined ? undefined : new ChunkSignatures(facts.seed)
    this.lengthBytes = facts.lengthBytes
    this.trailerNames = facts.trailerNames
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.#source = await this.#open()
    let leftBytes = this.lengthBytes
    for (;;) {
      const { sizeBytes, signature } = parseChunkLine(await this.#readLine(), this.#signatures !== undefined)
      if (sizeBytes > leftBytes)
        throw new S3Error('IncompleteBody', `The chunks are longer than x-amz-decoded-content-length, ${this.lengthBytes}, says`)
      const digest = this.#signatures === undefined ? undefined : createHash('sha256')
      if (sizeBytes > 0) yield* this.#readChunk(sizeBytes, digest)
      if (digest !== undefined) this.#signatures?.checkChunk(signature, digest.digest('hex'))
      leftBytes -= sizeBytes
      if (sizeBytes === 0) break
      if ((await this.#readLine()) !== '') throw malformed('a chunk is longer than it says')
    }
    if (leftBytes > 0)
      throw new S3Error('IncompleteBody', `The chunks lack ${leftBytes} bytes of what x-amz-decoded-content-length says`)
    await this.#readTrailers()
  }

  release(piece: Uint8Array): void {
    this.#source?.release(piece)
  }

  async collect(): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this) pieces.push(piece)
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  async *#readChunk(sizeBytes: number, digest: Hash | undefined): AsyncGenerator<Buffer> {
    for (let left = sizeBytes; left > 0;) {
      if (this.#rest.length === 0 && !(await this.#more()))
        throw new S3Error('IncompleteBody', 'The body ended in the middle of a chunk')
      const piece = this.#rest.length > left ? this.#rest.subarray(0, left) : this.#rest
      // What was given away whole may be released: no view of it is kept.
      this.#rest = this.#rest.length > left ? this.#rest.subarray(left) : EMPTY
      left -= piece.length
      digest?.update(piece)
      yield piece
    }
  }

  /** A line without its end, as Latin-1. */
  async #readLine(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n')
      if (end > MAX_LINE_BYTES || (end === -1 && this.#rest.length > MAX_LINE_BYTES)) throw malformed('a line has no end')
      if (end !== -1) {
        const line = this.#rest.toString('latin1', 0, end)
        this.#rest = this.#rest.subarray(end + 2)
        return line
      }
      const before = this.#rest
      if (!(await this.#more())) throw new S3Error('IncompleteBody', 'The body ended before its last chunk')
      this.#rest = before.length === 0 ? this.#rest : Buffer.concat([before, this.#rest])
    }
  }

  /** The next piece in place of the rest; false at the end. */
  async #more(): Promise<boolean> {
    const next = await (this.#source as RequestBody).next()
    if (next.done === true) return false
    this.#rest = next.value
    return true
  }

  /** All that follows the last chunk. The end of the body ends it. */
  async #readTrailers(): Promise<void> {
    let text = this.#rest.toString('latin1')
    while (await this.#more()) {
      text += this.#rest.toString('latin1')
      if (text.length > MAX_TRAILER_BYTES) break
    }
    if (text.length > MAX_TRAILER_BYTES) throw malformedTrailer(`they are longer than ${MAX_TRAILER_BYTES} bytes`)
    const lines = text.split(/\r\n|\n/).filter((line) => line !== '')
    if (lines.length > 0 && !this.#facts.hasTrailer) throw malformed('there is something behind the last chunk')
    let signed = ''
    let signature: string | undefined
    for (const line of lines) {
      const { name, value } = parseTrailer(line)
      if (signature !== undefined) throw malformedTrailer('x-amz-trailer-signature is not the last one')
      if (name === 'x-amz-trailer-signature') {
        signature = value
        continue
      }
      if (!this.trailerNames.includes(name) || this.trailers.has(name))
        throw malformedTrailer(`"${name.slice(0, 80)}" was not announced by x-amz-trailer, or comes twice`)
      this.trailers.set(name, value)
      signed += `${name}:${value}\n`
    }
    const missing = this.trailerNames.find((name) => !this.trailers.has(name))
    if (missing !== undefined) throw malformedTrailer(`"${missing.slice(0, 80)}" was announced and is not among them`)
    if (this.#signatures === undefined || !this.#facts.hasTrailer) return
    if (signature === undefined) throw malformedTrailer('x-amz-trailer-signature is not among them')
    this.#signatures.checkTrailers(signature, signed)
  }
}

const EMPTY = Buffer.alloc(0)

function parseChunkLine(line: string, signed: boolean): { readonly sizeBytes: number; readonly signature: string } {
  const [size = '', ...extensions] = line.split(';')
  // 13 digits stay below 2 to the 52nd.
  if (!/^[0-9a-fA-F]{1,13}$/.test(size))
    throw new S3Error('InvalidChunkSizeError', `"${size.slice(0, 40)}" is not the length of a chunk in hexadecimal`)
  const signature = extensions.find((extension) => extension.startsWith('chunk-signature='))?.slice('chunk-signature='.length)
  if (signed && !/^[0-9a-f]{64}$/.test(signature ?? '')) throw malformed('a chunk has no signature')
  return { sizeBytes: Number.parseInt(size, 16), signature: signature ?? '' }
}

function parseTrailer(line: string): { readonly name: string; readonly value: string } {
  const colon = line.indexOf(':')
  if (colon <= 0) throw malformedTrailer('a line is not name:value')
  return { name: line.slice(0, colon).trim().toLowerCase(), value: line.slice(colon + 1).trim() }
}

function malformed(why: string): S3Error {
  return new S3Error('InvalidRequest', `The body is not in the coding aws-chunked: ${why}`)
}

function malformedTrailer(why: string): S3Error {
  return new S3Error('MalformedTrailerError', `The trailers are malformed: ${why}`)
}
