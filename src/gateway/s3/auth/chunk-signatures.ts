import { hash } from 'node:crypto'
import { S3Error } from '../s3-error.ts'
import { sameSignature } from './verify-signature.ts'
import type { Seed } from './verify-signature.ts'

const EMPTY_SHA256 = hash('sha256', '')

/** The chain of signatures of a body in chunks: each covers its chunk and the signature before, so none can be left out,
 *  repeated or put elsewhere. */
export class ChunkSignatures {
  readonly #seed: Seed
  #before: string

  constructor(seed: Seed) {
    this.#seed = seed
    this.#before = seed.signature
  }

  /** `sha256`: of the chunk's bytes, in hexadecimal. @throws SignatureDoesNotMatch */
  checkChunk(given: string, sha256: string): void {
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', given, `${EMPTY_SHA256}\n${sha256}`)
  }

  /** `lines`: `name:value\n` of each trailer. @throws SignatureDoesNotMatch */
  checkTrailers(given: string, lines: string): void {
    this.#check('AWS4-HMAC-SHA256-TRAILER', given, hash('sha256', Buffer.from(lines, 'latin1')))
  }

  #check(algorithm: string, given: string, covered: string): void {
    const { signingKey, timeAndScope } = this.#seed
    const computed = signingKey.sign(`${algorithm}\n${timeAndScope}\n${this.#before}\n${covered}`)
    if (!sameSignature(computed, given))
      throw new S3Error('SignatureDoesNotMatch', "The signature of a chunk or of the trailers doesn't match what came")
    this.#before = computed
  }
}
