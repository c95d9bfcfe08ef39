import { createHash, hash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { RequestBody } from '#gateway/http/request-body.ts'
import { ChunkSignatures } from '../auth/chunk-signatures.ts'
import type { Seed } from '../auth/verify-signature.ts'
import type { S3Payload } from '../operation.ts'
import { ChunkDecoder } from './chunk-decoder.ts'
import type { DecodedBytes } from './chunk-decoder.ts'

export interface ChunkedFacts {
  /** x-amz-decoded-content-length. */
  readonly lengthBytes: number
  /** Of signed chunks: the signature of the request. */
  readonly seed: Seed | undefined
  readonly hasTrailer: boolean
  readonly trailerNames: readonly string[]
}

/** A payload in the coding `aws-chunked`, decoded and verified as it passes. */
export class ChunkedPayload implements S3Payload {
  readonly lengthBytes: number
  readonly sha256 = undefined
  readonly trailerNames: readonly string[]
  readonly #open: () => Promise<RequestBody>
  readonly #decoder: ChunkDecoder
  readonly #isSigned: boolean
  readonly #target: Target
  #source: RequestBody | undefined

  /** `open` begins to read the body. */
  constructor(open: () => Promise<RequestBody>, { seed, ...facts }: ChunkedFacts) {
    this.#open = open
    this.#decoder = new ChunkDecoder({ ...facts, signatures: seed === undefined ? undefined : new ChunkSignatures(seed) })
    this.#isSigned = seed !== undefined
    this.#target = new Target({ isDigested: this.#isSigned })
    this.lengthBytes = facts.lengthBytes
    this.trailerNames = facts.trailerNames
  }

  get trailers(): ReadonlyMap<string, string> {
    return this.#decoder.trailers
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.#source = await this.#open()
    const pieces = new Pieces({ isDigested: this.#isSigned })
    for await (const piece of this.#source) {
      this.#decoder.decode(piece, pieces)
      yield* pieces.taken()
    }
    this.#decoder.finish()
  }

  async fill(target: Uint8Array): Promise<number> {
    this.#source ??= await this.#open()
    this.#target.begin(target)
    const isFull = await this.#source.each((piece) => {
      const stop = this.#decoder.decode(piece, this.#target)
      // Behind the last byte of all there is more to verify, which nobody may wait for.
      return stop ?? (this.#target.isFull ? piece.length : undefined)
    })
    if (!isFull) this.#decoder.finish()
    return this.#target.end()
  }

  release(piece: Uint8Array): void {
    this.#source?.release(piece)
  }

  async collect(): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this) pieces.push(piece)
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }
}

/** Hands on what the pieces contain, uncopied. */
class Pieces implements DecodedBytes {
  readonly #isDigested: boolean
  #taken: Buffer[] = []
  #hash = createHash('sha256')

  constructor({ isDigested }: { readonly isDigested: boolean }) {
    this.#isDigested = isDigested
  }

  take(bytes: Buffer): number {
    if (this.#isDigested) this.#hash.update(bytes)
    this.#taken.push(bytes)
    return bytes.length
  }

  digest(): string {
    const digest = this.#hash.digest('hex')
    this.#hash = createHash('sha256')
    return digest
  }

  /** Those that were taken since the last time. */
  taken(): Buffer[] {
    const taken = this.#taken
    this.#taken = []
    return taken
  }
}

/** Copies into memory of somebody's, and digests whole chunks there in one go. */
class Target implements DecodedBytes {
  readonly #isDigested: boolean
  #bytes: Uint8Array = new Uint8Array(0)
  #filled = 0
  /** What of the chunk has been digested, and from where on it hasn't. */
  #hash: Hash | undefined
  #digestedTo = 0

  constructor({ isDigested }: { readonly isDigested: boolean }) {
    this.#isDigested = isDigested
  }

  get isFull(): boolean {
    return this.#filled === this.#bytes.length
  }

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes
    this.#filled = 0
    this.#digestedTo = 0
  }

  /** Looks at the memory no more; how much of it is filled. */
  end(): number {
    if (this.#isDigested && this.#digestedTo < this.#filled)
      this.#hash = (this.#hash ?? createHash('sha256')).update(this.#bytes.subarray(this.#digestedTo, this.#filled))
    return this.#filled
  }

  take(bytes: Buffer): number {
    const length = Math.min(bytes.length, this.#bytes.length - this.#filled)
    this.#bytes.set(length === bytes.length ? bytes : bytes.subarray(0, length), this.#filled)
    this.#filled += length
    return length
  }

  digest(): string {
    const rest = this.#bytes.subarray(this.#digestedTo, this.#filled)
    this.#digestedTo = this.#filled
    const before = this.#hash
    this.#hash = undefined
    return before === undefined ? hash('sha256', rest) : before.update(rest).digest('hex')
  }
}
