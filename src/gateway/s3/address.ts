import { percentDecode } from '#gateway/http/target.ts'
import { S3Error } from './s3-error.ts'

/** What a request is about. */
export interface Address {
  readonly where: 'service' | 'bucket' | 'object'
  readonly bucket: string
  readonly key: string
}

const SERVICE: Address = { where: 'service', bucket: '', key: '' }
const KNOWN_MAX = 1_024
const KNOWN_LENGTH_MAX = 256
/** S3's longest key, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1_024
/** Work without being configured: every name below `localhost` leads to the own machine (RFC 6761, section 6.3). */
const OWN_DOMAINS = ['s3.localhost', 'localhost']

/** Reads bucket and key from the host (`bucket.domain`) or, for every other host, from the path (`/bucket/key`). */
export class Addresses {
  /** Longest first. */
  readonly #domains: readonly string[]
  /** What hosts said lately: a client says the same with each request. */
  readonly #hosts = new Map<string, { readonly bucket: string | undefined }>()

  constructor(domains: readonly string[]) {
    this.#domains = [...domains.map((domain) => domain.toLowerCase()), ...OWN_DOMAINS].toSorted((a, b) => b.length - a.length)
  }

  /** `path` is raw. It is cut at its first slash and decoded once; nothing in it is normalised.
   *  @throws InvalidBucketName, KeyTooLongError, InvalidURI */
  read(host: string | undefined, path: string): Address {
    const hosted = host === undefined ? undefined : this.#bucketOf(host)
    if (hosted !== undefined) return addressOf(hosted, path.slice(1))
    const slash = path.indexOf('/', 1)
    const bucket = percentDecode(slash === -1 ? path.slice(1) : path.slice(1, slash))
    if (bucket === '') {
      if (slash === -1) return SERVICE
      throw new S3Error('InvalidBucketName', 'The path has no name of a bucket before its second slash')
    }
    return addressOf(bucket, slash === -1 ? '' : path.slice(slash + 1))
  }

  #bucketOf(host: string): string | undefined {
    const known = this.#hosts.get(host)
    if (known !== undefined) return known.bucket
    const bucket = this.#readHost(host)
    if (host.length <= KNOWN_LENGTH_MAX) {
      if (this.#hosts.size >= KNOWN_MAX) this.#hosts.clear()
      this.#hosts.set(host, { bucket })
    }
    return bucket
  }

  #readHost(host: string): string | undefined {
    const name = host.toLowerCase().replace(/:\d*$/, '')
    for (const domain of this.#domains) {
      if (name === domain) return undefined
      if (name.endsWith(`.${domain}`)) return name.slice(0, -domain.length - 1)
    }
    return undefined
  }
}

function addressOf(bucket: string, rawKey: string): Address {
  checkBucketName(bucket)
  if (rawKey === '') return { where: 'bucket', bucket, key: '' }
  const key = percentDecode(rawKey)
  checkKey(key)
  return { where: 'object', bucket, key }
}

/** @throws InvalidURI, KeyTooLongError */
export function checkKey(key: string): void {
  if (!key.isWellFormed()) throw new S3Error('InvalidURI', "The key is not UTF-8: S3's keys are")
  if (key.includes('\0')) throw new S3Error('InvalidURI', 'The key has a NUL in it, which no name here can have')
  if (key.length * 3 > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new S3Error('KeyTooLongError', 'Your key is too long', {
      elements: { Size: Buffer.byteLength(key), MaxSizeAllowed: MAX_KEY_BYTES },
    })
  }
}

/** @throws InvalidBucketName */
export function checkBucketName(name: string): void {
  const allowed = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name)
  if (allowed) return
  throw new S3Error(
    'InvalidBucketName',
    'The specified bucket is not valid: names have 3 to 63 characters of a-z, 0-9, "-" and ".", a letter or digit first and last, no ".." and are no IP address',
    { elements: { BucketName: name.toWellFormed().slice(0, 255) } },
  )
}
