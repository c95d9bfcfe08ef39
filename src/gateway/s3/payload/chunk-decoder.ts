import type { ChunkSignatures } from '../auth/chunk-signatures.ts'
import { S3Error } from '../s3-error.ts'

/** `400000;chunk-signature=` and 64 characters are 89 bytes. */
const MAX_LINE_BYTES = 1_024
/** A few checksums and a signature. */
const MAX_TRAILER_BYTES = 16 * 1024

export interface ChunkDecoderOptions {
  /** x-amz-decoded-content-length. */
  readonly lengthBytes: number
  /** Of signed chunks. */
  readonly signatures: ChunkSignatures | undefined
  readonly hasTrailer: boolean
  readonly trailerNames: readonly string[]
}

/** Who gets what the chunks contain. */
export interface DecodedBytes {
  /** How many bytes it has taken: with fewer than it is given it has no more room. */
  take(bytes: Buffer): number
  /** The SHA-256, in hexadecimal, of what was taken since the chunk before. */
  digest(): string
}

/** Takes the coding `aws-chunked` apart as it comes: chunks with their length in hexadecimal, perhaps a signature each, a chunk of length 0, and perhaps
 *  trailers. It keeps nothing but lines that came in two pieces. */
export class ChunkDecoder {
  readonly trailers = new Map<string, string>()
  readonly #options: ChunkDecoderOptions
  #state: 'line' | 'bytes' | 'end' | 'trailers' = 'line'
  /** The beginning of a line, or all of the trailers so far. */
  #text = ''
  #signature = ''
  /** Of the chunk, and of all chunks. */
  #left = 0
  #leftInAll: number

  constructor(options: ChunkDecoderOptions) {
    this.#options = options
    this.#leftInAll = options.lengthBytes
  }

  /** Where it stopped because `bytes` has no more room; nothing once all of the piece is decoded.
   *  @throws IncompleteBody, SignatureDoesNotMatch, InvalidChunkSizeError, InvalidRequest, MalformedTrailerError */
  decode(piece: Buffer, bytes: DecodedBytes): number | undefined {
    for (let at = 0; at < piece.length;) {
      if (this.#state === 'bytes') {
        const end = Math.min(piece.length, at + this.#left)
        const taken = bytes.take(at === 0 && end === piece.length ? piece : piece.subarray(at, end))
        at += taken
        this.#left -= taken
        if (this.#left === 0) this.#endChunk(bytes)
        else if (at < end) return at
      } else if (this.#state === 'trailers') {
        this.#text += piece.toString('latin1', at)
        if (this.#text.length > MAX_TRAILER_BYTES) throw malformedTrailer(`they are longer than ${MAX_TRAILER_BYTES} bytes`)
        at = piece.length
      } else at = this.#readLine(piece, at, bytes)
    }
    return undefined
  }

  /** The body has ended. @throws IncompleteBody, InvalidRequest, MalformedTrailerError, SignatureDoesNotMatch */
  finish(): void {
    if (this.#state === 'bytes') throw new S3Error('IncompleteBody', 'The body ended in the middle of a chunk')
    if (this.#state !== 'trailers') throw new S3Error('IncompleteBody', 'The body ended before its last chunk')
    this.#readTrailers(this.#text)
  }

  /** Takes a line, or as much of it as there is; where the next one begins. */
  #readLine(piece: Buffer, at: number, bytes: DecodedBytes): number {
    const end = piece.indexOf(LINE_FEED, at)
    this.#text += piece.toString('latin1', at, end === -1 ? piece.length : end + 1)
    if (this.#text.length > MAX_LINE_BYTES) throw malformed('a line has no end')
    // A line feed without a carriage return doesn't end it.
    if (this.#text.endsWith('\r\n')) {
      const line = this.#text.slice(0, -2)
      this.#text = ''
      this.#takeLine(line, bytes)
    }
    return end === -1 ? piece.length : end + 1
  }

  #takeLine(line: string, bytes: DecodedBytes): void {
    if (this.#state === 'end') {
      if (line !== '') throw malformed('a chunk is longer than it says')
      this.#state = 'line'
      return
    }
    const { lengthBytes, signatures } = this.#options
    const { sizeBytes, signature } = parseChunkLine(line, signatures !== undefined)
    if (sizeBytes > this.#leftInAll)
      throw new S3Error('IncompleteBody', `The chunks are longer than x-amz-decoded-content-length, ${lengthBytes}, says`)
    this.#leftInAll -= sizeBytes
    this.#left = sizeBytes
    this.#signature = signature
    this.#state = 'bytes'
    if (sizeBytes > 0) return
    this.#endChunk(bytes)
    if (this.#leftInAll > 0)
      throw new S3Error('IncompleteBody', `The chunks lack ${this.#leftInAll} bytes of what x-amz-decoded-content-length says`)
    this.#state = 'trailers'
  }

  #endChunk(bytes: DecodedBytes): void {
    this.#options.signatures?.checkChunk(this.#signature, bytes.digest())
    this.#state = 'end'
  }

  /** All that follows the last chunk. */
  #readTrailers(text: string): void {
    const { hasTrailer, trailerNames, signatures } = this.#options
    const lines = text.split(/\r\n|\n/).filter((line) => line !== '')
    if (lines.length > 0 && !hasTrailer) throw malformed('there is something behind the last chunk')
    let signed = ''
    let signature: string | undefined
    for (const line of lines) {
      const { name, value } = parseTrailer(line)
      if (signature !== undefined) throw malformedTrailer('x-amz-trailer-signature is not the last one')
      if (name === 'x-amz-trailer-signature') {
        signature = value
        continue
      }
      if (!trailerNames.includes(name) || this.trailers.has(name))
        throw malformedTrailer(`"${name.slice(0, 80)}" was not announced by x-amz-trailer, or comes twice`)
      this.trailers.set(name, value)
      signed += `${name}:${value}\n`
    }
    const missing = trailerNames.find((name) => !this.trailers.has(name))
    if (missing !== undefined) throw malformedTrailer(`"${missing.slice(0, 80)}" was announced and is not among them`)
    if (signatures === undefined || !hasTrailer) return
    if (signature === undefined) throw malformedTrailer('x-amz-trailer-signature is not among them')
    signatures.checkTrailers(signature, signed)
  }
}

const LINE_FEED = 10

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
