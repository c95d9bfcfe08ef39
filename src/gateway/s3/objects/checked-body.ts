import type { BodyStream } from '#volume/volume.ts'
import type { ChecksumAlgorithm } from '#volume/objects.ts'
import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { checksumHeader, compareChecksums, createChecksum, parseAlgorithm, parseChecksum } from './checksum.ts'

export interface AnnouncedChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** `undefined`: it comes in the trailer, or it is to be computed only. */
  readonly value: Buffer | undefined
  readonly isTrailer: boolean
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** What the headers, or the fields of a form, say of a checksum. `undefined` if they say nothing.
 *  @throws InvalidRequest for more than one, or a name that doesn't fit */
export function announcedChecksum(headers: Headers, trailerNames: readonly string[] = []): AnnouncedChecksum | undefined {
  const named = text(headers['x-amz-sdk-checksum-algorithm']) ?? text(headers['x-amz-checksum-algorithm'])
  const algorithm = named === undefined ? undefined : parseAlgorithm(named)
  const given = Object.keys(headers).filter((name) => /^x-amz-checksum-(?!algorithm$|type$|mode$)/.test(name))
  const trailing = trailerNames.filter((name) => name.startsWith('x-amz-checksum-'))
  if (given.length + trailing.length > 1)
    throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.')
  const name = given[0] ?? trailing[0]
  if (name === undefined) return algorithm === undefined ? undefined : { algorithm, value: undefined, isTrailer: false }
  const own = parseAlgorithm(name.slice('x-amz-checksum-'.length))
  if (algorithm !== undefined && algorithm !== own)
    throw new S3Error('InvalidRequest', `Value for x-amz-sdk-checksum-algorithm header is invalid: ${algorithm} beside ${name}`)
  const value = given.length === 0 ? undefined : parseChecksum(own, text(headers[name]) ?? '')
  return { algorithm: own, value, isTrailer: given.length === 0 }
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}

/** A payload whose checksum is computed as it passes, and compared at its end. */
export class CheckedBody implements BodyStream {
  /** Where the payload does that. */
  readonly fill: BodyStream['fill']
  readonly #payload: S3Payload
  readonly #announced: AnnouncedChecksum
  #value: Buffer | undefined

  constructor(payload: S3Payload, announced: AnnouncedChecksum) {
    this.#payload = payload
    this.#announced = announced
    this.fill = payload.fill === undefined ? undefined : this.#filler(payload.fill.bind(payload))
  }

  /** Once the body has been consumed. */
  get value(): Buffer | undefined {
    return this.#value
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const hash = createChecksum(this.#announced.algorithm)
    for await (const piece of this.#payload) {
      hash.update(piece)
      yield piece
    }
    this.#settle(hash.digest())
  }

  release(piece: Uint8Array): void {
    this.#payload.release(piece)
  }

  /** All of it, for small payloads. */
  async collect(): Promise<Buffer> {
    const bytes = await this.#payload.collect()
    const hash = createChecksum(this.#announced.algorithm)
    hash.update(bytes)
    this.#settle(hash.digest())
    return bytes
  }

  #filler(fill: (target: Uint8Array) => Promise<number>): (target: Uint8Array) => Promise<number> {
    const hash = createChecksum(this.#announced.algorithm)
    return async (target) => {
      const length = await fill(target)
      hash.update(target.subarray(0, length))
      if (length < target.length) this.#settle(hash.digest())
      return length
    }
  }

  #settle(computed: Buffer): void {
    const { algorithm, value, isTrailer } = this.#announced
    const trailer = isTrailer ? this.#payload.trailers.get(checksumHeader(algorithm)) : undefined
    const announced = trailer === undefined ? value : parseChecksum(algorithm, trailer)
    if (announced !== undefined) compareChecksums(algorithm, announced, computed)
    this.#value = computed
  }
}
