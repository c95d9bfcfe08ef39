import { hash } from 'node:crypto'
import type { RequestHead } from '#gateway/http/forward-head.ts'
import { formatAmzDate } from '#gateway/s3/auth/amz-date.ts'
import { canonicalPath, canonicalQuery, canonicalRequest } from '#gateway/s3/auth/canonical-request.ts'
import { SignedHeaders } from '#gateway/s3/auth/signed-headers.ts'
import { formatScope, SigningKeys } from '#gateway/s3/auth/signing-keys.ts'
import type { Clock } from '#platform/clock.ts'
import type { Answer, Request } from './requests.ts'
import { ROOT_KEY } from './settings.ts'

const ALGORITHM = 'AWS4-HMAC-SHA256'
const PAYLOAD = 'UNSIGNED-PAYLOAD'

/** Answers by which nothing was done, whatever was asked for. */
const REFUSALS: ReadonlySet<string> = new Set(['SlowDown', 'InsufficientStorage'])
/** Answers by which a change may have been done: S3 has no word for the difference. */
const DOUBTS: ReadonlySet<string> = new Set(['ServiceUnavailable', 'RequestTimeout'])
/** As REST calls them. */
const CODES: Readonly<Record<string, string>> = {
  NoSuchKey: 'NOT_FOUND',
  PreconditionFailed: 'PRECONDITION_FAILED',
  NoSuchUpload: 'UPLOAD_NOT_FOUND',
}

/** Requests over S3, signed by the root key. */
export class S3Requests {
  readonly #clock: Clock
  readonly #keys = new SigningKeys()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A request as its bytes are. */
  head(host: string, { method, target, content, headers = [] }: Request): Pick<RequestHead, 'server' | 'target' | 'rawHeaders'> {
    const time = formatAmzDate(this.#clock.nowMs())
    const rawHeaders = ['Host', host, 'Content-Length', String(content?.length ?? 0), ...headers]
    rawHeaders.push('x-amz-content-sha256', PAYLOAD, 'x-amz-date', time)
    const signed = rawHeaders
      .flatMap((name, at) => (at % 2 === 0 ? [name.toLowerCase()] : []))
      .filter((name) => name === 'host' || name.startsWith('x-amz-'))
      .toSorted()
    const [path, query] = `/${target}?`.split('?') as [string, string]
    const scope = { date: time.slice(0, 8), region: 'us-east-1', service: 's3' }
    const canonical = canonicalRequest(
      { method, path, query, rawHeaders },
      { path: canonicalPath(path), query: canonicalQuery(query), signed: new SignedHeaders(signed), payloadHash: PAYLOAD },
    )
    const toSign = `${ALGORITHM}\n${time}\n${formatScope(scope)}\n${hash('sha256', canonical, 'hex')}`
    const signature = this.#keys.get(ROOT_KEY, scope).hmac.sign(toSign)
    const credential = `${ROOT_KEY.accessKey}/${formatScope(scope)}`
    const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signed.join(';')}, Signature=${signature}`
    return { server: 's3', target: `/${target}`, rawHeaders: [...rawHeaders, 'Authorization', authorization] }
  }

  /** What an error says. */
  static meaning({ method }: Request, content: Buffer): Answer {
    const code = elementsOf(content, 'Code')[0] ?? 'an error without a code'
    if (REFUSALS.has(code)) return { kind: 'refused' }
    if (DOUBTS.has(code)) return { kind: method === 'GET' ? 'refused' : 'unknown' }
    return { kind: 'failed', code: CODES[code] ?? code, message: elementsOf(content, 'Message')[0] ?? '' }
  }
}

/** The texts of all elements of a name. */
export function elementsOf(xml: Buffer, name: string): string[] {
  return [...xml.toString().matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text]) => text as string)
}
