import type { ValuesOf } from '#access/policy-conditions.ts'
import type { Principal } from '#access/principal.ts'
import { ACCOUNT } from '../owner.ts'

/** Headers that are condition keys, as `s3:` and their name. */
const HEADER_KEYS: readonly string[] = [
  'x-amz-acl',
  'x-amz-grant-read',
  'x-amz-grant-write',
  'x-amz-grant-read-acp',
  'x-amz-grant-write-acp',
  'x-amz-grant-full-control',
  'x-amz-copy-source',
  'x-amz-metadata-directive',
  'x-amz-storage-class',
  'x-amz-content-sha256',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-customer-algorithm',
]
const QUERY_KEYS: readonly string[] = ['prefix', 'delimiter', 'max-keys']

const FIXED_KEYS: readonly string[] = [
  'aws:currenttime',
  'aws:epochtime',
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principaltype',
  'aws:referer',
  'aws:securetransport',
  'aws:sourceip',
  'aws:useragent',
  'aws:userid',
  'aws:username',
  's3:authtype',
  's3:object-lock-legal-hold',
  's3:object-lock-mode',
  's3:object-lock-remaining-retention-days',
  's3:object-lock-retain-until-date',
  's3:requestobjecttagkeys',
  's3:resourceaccount',
  's3:signatureversion',
  's3:versionid',
]
/** Known, but never there: no service calls on somebody's behalf. */
const ABSENT_KEYS: readonly string[] = ['aws:sourceaccount', 'aws:sourcearn']

const KNOWN_KEYS: ReadonlySet<string> = new Set([
  ...[...HEADER_KEYS, ...QUERY_KEYS].map((name) => `s3:${name}`),
  ...FIXED_KEYS,
  ...ABSENT_KEYS,
])
export const EXISTING_TAG = 's3:existingobjecttag/'
const REQUEST_TAG = 's3:requestobjecttag/'

/** `key` in lower case. */
export function isConditionKey(key: string): boolean {
  if (KNOWN_KEYS.has(key)) return true
  return [EXISTING_TAG, REQUEST_TAG].some((start) => key.startsWith(start) && key.length > start.length)
}

type Tags = readonly (readonly [key: string, value: string])[]

/** What a request says, and what is known of it. */
export interface RequestFacts {
  readonly principal: Principal
  readonly remoteAddress: string
  readonly isSecure: boolean
  readonly nowMs: number
  header(name: string): string | undefined
  query(name: string): string | undefined
}

/** What is asked for, where that isn't in the request's own line and headers. */
export interface WishFacts {
  readonly versionId?: string | undefined
  /** Instead of those in the header. */
  readonly tags?: Tags | undefined
  readonly existingTags?: Tags | undefined
  /** In place of what the request says: by key in lower case. */
  readonly values?: Readonly<Record<string, string | undefined>> | undefined
}

/** Something that somebody wants to do with a bucket or an object. */
export interface Wish extends WishFacts {
  readonly bucket: string
  /** Empty for the bucket itself. */
  readonly key: string
  /** Such as `s3:GetObject`. */
  readonly action: string
}

/** The values of condition keys. */
export function conditionValues(request: RequestFacts, wish: WishFacts): ValuesOf {
  return (key) => {
    if (wish.values !== undefined && key in wish.values) return one(wish.values[key])
    if (key.startsWith(EXISTING_TAG)) return tagValues(wish.existingTags, key.slice(EXISTING_TAG.length))
    if (key.startsWith(REQUEST_TAG)) return tagValues(requestTags(request, wish), key.slice(REQUEST_TAG.length))
    if (key === 's3:requestobjecttagkeys') return requestTags(request, wish)?.map(([name]) => name)
    if (key.startsWith('s3:x-amz-')) return one(request.header(key.slice(3)))
    if (key.startsWith('s3:') && QUERY_KEYS.includes(key.slice(3))) return one(request.query(key.slice(3)))
    return one(fixedValue(key, request, wish))
  }
}

function one(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}

function requestTags(request: RequestFacts, { tags }: WishFacts): Tags | undefined {
  if (tags !== undefined) return tags
  const header = request.header('x-amz-tagging')
  return header === undefined ? undefined : [...new URLSearchParams(header)]
}

/** IAM takes no notice of case in the keys of conditions, a tag's name within them included. */
function tagValues(tags: Tags | undefined, name: string): readonly string[] | undefined {
  const values = tags?.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value)
  return values === undefined || values.length === 0 ? undefined : values
}

function fixedValue(key: string, request: RequestFacts, wish: WishFacts): string | undefined {
  const { principal, nowMs } = request
  const isKnown = principal.kind !== 'anonymous'
  switch (key) {
    case 'aws:currenttime':
      return new Date(nowMs).toISOString()
    case 'aws:epochtime':
      return String(Math.floor(nowMs / 1000))
    case 'aws:principalaccount':
      return isKnown ? ACCOUNT : undefined
    case 'aws:principalarn':
      return isKnown ? `arn:aws:iam::${ACCOUNT}:user/${principal.name}` : undefined
    case 'aws:principaltype':
      return isKnown ? 'User' : 'Anonymous'
    case 'aws:referer':
      return request.header('referer')
    case 'aws:securetransport':
      return String(request.isSecure)
    case 'aws:sourceip':
      return request.remoteAddress
    case 'aws:useragent':
      return request.header('user-agent')
    case 'aws:userid':
      return isKnown ? principal.name : 'anonymous'
    case 'aws:username':
      return isKnown ? principal.name : undefined
    case 's3:authtype':
      return authType(request)
    case 's3:signatureversion':
      return isKnown ? 'AWS4-HMAC-SHA256' : undefined
    case 's3:resourceaccount':
      return ACCOUNT
    case 's3:versionid':
      return wish.versionId
    default:
      return key.startsWith('s3:object-lock-') ? lockValue(key.slice('s3:object-lock-'.length), request) : undefined
  }
}

function authType(request: RequestFacts): string | undefined {
  if (request.principal.kind === 'anonymous') return undefined
  if (request.header('authorization') !== undefined) return 'REST-HEADER'
  return request.query('X-Amz-Signature') === undefined ? 'POST' : 'REST-QUERY-STRING'
}

function lockValue(name: string, request: RequestFacts): string | undefined {
  if (name !== 'remaining-retention-days') return request.header(`x-amz-object-lock-${name}`)
  const until = Date.parse(request.header('x-amz-object-lock-retain-until-date') ?? '')
  return Number.isNaN(until) ? undefined : String(Math.ceil((until - request.nowMs) / 86_400_000))
}
