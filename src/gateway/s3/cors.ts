// Cross-origin resource sharing: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)", and the Fetch
// standard, section 3.2.

import { Wildcard } from '#access/wildcard.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { BucketSettings, CorsRule } from '#volume/bucket-settings.ts'
import { S3Error } from './s3-error.ts'

/** What a page of some origin wants to do. */
export interface CorsRequest {
  readonly origin: string
  readonly method: string
  /** In lower case. */
  readonly headers: readonly string[]
}

/** The first rule that lets it. */
export function findCorsRule(rules: readonly CorsRule[], { origin, method, headers }: CorsRequest): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.methods.includes(method) &&
      rule.origins.some((pattern) => new Wildcard(pattern).matches(origin)) &&
      headers.every((header) => rule.headers.some((pattern) => new Wildcard(pattern.toLowerCase()).matches(header))),
  )
}

/** Headers of an answer, names and values in turn. */
function corsHeaders(rule: CorsRule, { origin, headers }: CorsRequest): string[] {
  const isForAll = rule.origins.includes('*')
  const found = ['Access-Control-Allow-Origin', isForAll ? '*' : origin, 'Access-Control-Allow-Methods', rule.methods.join(', ')]
  if (!isForAll) found.push('Access-Control-Allow-Credentials', 'true')
  if (headers.length > 0) found.push('Access-Control-Allow-Headers', headers.join(', '))
  if (rule.exposed.length > 0) found.push('Access-Control-Expose-Headers', rule.exposed.join(', '))
  if (rule.maxAgeSeconds !== undefined) found.push('Access-Control-Max-Age', String(rule.maxAgeSeconds))
  found.push('Vary', 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method')
  return found
}

const noted = new WeakMap<Exchange, readonly string[]>()

/** What whichever answer is given has to say to a page of another origin. */
export function corsHeadersOf(exchange: Exchange): readonly string[] {
  return noted.get(exchange) ?? []
}

/** For a request that names its origin: its answer, whichever it is, says what the bucket's rules let that see. */
export function noteCors(exchange: Exchange, settings: BucketSettings): void {
  const { origin } = exchange.headers
  if (origin === undefined || settings.cors === undefined) return
  // A page can't set it, but proxies and tests do: then that is the method that counts.
  const method = exchange.headers['access-control-request-method'] ?? exchange.method
  const request = { origin, method, headers: [] }
  const rule = findCorsRule(settings.cors, request)
  if (rule !== undefined) noted.set(exchange, corsHeaders(rule, request))
}

/** What a browser asks before it sends a request. @throws BadRequest, AccessForbidden */
export function answerPreflight(exchange: Exchange, settings: BucketSettings): string[] {
  const { origin } = exchange.headers
  const method = exchange.headers['access-control-request-method']
  if (origin === undefined) throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.')
  if (method === undefined || method === '')
    throw new S3Error('BadRequest', 'Invalid Access-Control-Request-Method: the header is missing')
  if (settings.cors === undefined) throw forbidden('CORS is not enabled for this bucket.', exchange)
  const headers = (exchange.headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  const request = { origin, method, headers }
  const rule = findCorsRule(settings.cors, request)
  if (rule === undefined)
    throw forbidden(
      'This CORS request is not allowed. This is usually because the evaluation of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not in the rules of the bucket.',
      exchange,
    )
  return corsHeaders(rule, request)
}

function forbidden(why: string, exchange: Exchange): S3Error {
  const method = exchange.headers['access-control-request-method'] ?? ''
  return new S3Error('AccessForbidden', `CORSResponse: ${why}`, {
    elements: { Method: method.slice(0, 40), ResourceType: 'BUCKET' },
  })
}
