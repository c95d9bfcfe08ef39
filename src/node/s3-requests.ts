import type { Exchange } from '#gateway/http/exchange.ts'
import { percentDecode } from '#gateway/http/target.ts'
import { Addresses } from '#gateway/s3/address.ts'
import type { Address } from '#gateway/s3/address.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'

type Asked = Pick<Exchange, 'method' | 'path'> & { readonly headers: Exchange['headers'] }

/** Which requests to S3 a node serves itself, whoever leads. */
export class S3Requests {
  readonly #addresses: Addresses

  constructor(domains: readonly string[]) {
    this.#addresses = new Addresses(domains)
  }

  /** Whether it is about eventual volumes that this node knows, and nothing else: a copy's source counts. */
  isOfEventual({ path, headers }: Asked, eventual: Pick<EventualVolumes, 'has' | 'count'>): boolean {
    if (eventual.count === 0) return false
    const address = this.#addressOf(headers.host, path)
    if (address === undefined || !eventual.has(address.bucket)) return false
    const source = headers['x-amz-copy-source']
    return typeof source !== 'string' || eventual.has(bucketOf(source))
  }

  /** Whether it asks which buckets there are. */
  isListing({ method, path, headers }: Asked): boolean {
    // A longer path names a bucket or an object, whatever the host: asked of each request, by several doors.
    return method === 'GET' && path.length <= 1 && this.#addressOf(headers.host, path)?.where === 'service'
  }

  /** Whoever serves it says what is wrong with one that has none. */
  #addressOf(host: string | undefined, path: string): Address | undefined {
    try {
      return this.#addresses.read(host, path)
    } catch {
      return undefined
    }
  }
}

function bucketOf(source: string): string {
  try {
    return percentDecode(source).replace(/^\//, '').split('/')[0] ?? ''
  } catch {
    return ''
  }
}
