import { createHash, hash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import type { RequestBody } from '#gateway/http/request-body.ts'
import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

const NONE: ReadonlyMap<string, string> = new Map()

/** A payload that comes as it is, with its SHA-256 announced or not. */
export class WholePayload implements S3Payload {
  readonly lengthBytes: number
  readonly sha256: Buffer | undefined
  readonly trailerNames: readonly string[] = []
  readonly trailers = NONE
  readonly #open: () => Promise<RequestBody>
  #source: RequestBody | undefined
  #filling: Hash | undefined

  /** `open` begins to read the body. */
  constructor(open: () => Promise<RequestBody>, facts: { readonly lengthBytes: number; readonly sha256: Buffer | undefined }) {
    this.#open = open
    this.lengthBytes = facts.lengthBytes
    this.sha256 = facts.sha256
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const { sha256 } = this
    const digest = sha256 === undefined ? undefined : createHash('sha256')
    this.#source = await this.#open()
    for await (const piece of this.#source) {
      digest?.update(piece)
      yield piece
    }
    if (digest !== undefined) this.#check(digest.digest())
  }

  async fill(target: Uint8Array): Promise<number> {
    if (this.#source === undefined && this.sha256 !== undefined) this.#filling = createHash('sha256')
    this.#source ??= await this.#open()
    const length = await this.#source.fill(target)
    this.#filling?.update(target.subarray(0, length))
    if (length < target.length && this.#filling !== undefined) this.#check(this.#filling.digest())
    return length
  }

  release(piece: Uint8Array): void {
    this.#source?.release(piece)
  }

  async collect(): Promise<Buffer> {
    const bytes = await (await this.#open()).collect()
    if (this.sha256 !== undefined) this.#check(hash('sha256', bytes, 'buffer'))
    return bytes
  }

  #check(computed: Buffer): void {
    const announced = this.sha256
    if (announced === undefined || announced.equals(computed)) return
    throw new S3Error(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed",
      {
        elements: { ClientComputedContentSHA256: announced.toString('hex'), S3ComputedContentSHA256: computed.toString('hex') },
      },
    )
  }
}
