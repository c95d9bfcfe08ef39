import type { IncomingHttpHeaders } from 'node:http'
import { S3Error } from '../s3-error.ts'
import type { S3Query } from '../s3-query.ts'
import { parseAmzDate, requestTimeMs } from './amz-date.ts'
import { SignedHeaders } from './signed-headers.ts'
import type { Scope } from './signing-keys.ts'

/** What a request says of its signature; nothing of it is verified. */
export interface ClaimedSignature {
  readonly accessKey: string
  readonly scope: Scope
  readonly signedHeaders: SignedHeaders
  /** 64 lower-case hexadecimal characters. */
  readonly signature: string
  /** When it was signed. */
  readonly timeMs: number
  /** For how long it counts; `undefined` in a header, where the skew of the clocks decides. */
  readonly expiresSeconds: number | undefined
}

export const ALGORITHM = 'AWS4-HMAC-SHA256'
const SIGNATURE_LENGTH = 64
const SIGNATURE = /^[0-9a-f]{64}$/
/** Seven days, as the API reference has it. */
const MAX_EXPIRES_SECONDS = 7 * 24 * 60 * 60

/** The signature in a header, in the query, or `undefined` if the request comes without any.
 *  @throws what S3 answers to malformed, mixed and outdated ways of signing */
export function readSignature(headers: IncomingHttpHeaders, query: S3Query, nowMs: number): ClaimedSignature | undefined {
  const { authorization } = headers
  const presigned = query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature') || query.has('X-Amz-Credential')
  const oldPresigned = query.has('AWSAccessKeyId') && query.has('Signature')
  if (authorization !== undefined) {
    if (presigned || oldPresigned)
      throw new S3Error(
        'InvalidArgument',
        'Only one way to sign is allowed: the Authorization header or X-Amz-… parameters, not both',
      )
    return readHeader(authorization, headers, nowMs)
  }
  if (presigned) return readParameters(query)
  if (oldPresigned) throw versionTwo()
  return undefined
}

function versionTwo(): S3Error {
  return new S3Error(
    'InvalidRequest',
    `Signatures of version 2 are not accepted: have the client sign with version 4 (${ALGORITHM})`,
  )
}

function readHeader(text: string, headers: IncomingHttpHeaders, nowMs: number): ClaimedSignature {
  const space = text.indexOf(' ')
  const algorithm = space === -1 ? text : text.slice(0, space)
  if (algorithm === 'AWS') throw versionTwo()
  if (algorithm !== ALGORITHM) {
    throw new S3Error(
      'InvalidArgument',
      `The authorization type "${algorithm.slice(0, 40)}" is not supported: requests are signed with ${ALGORITHM}`,
      { elements: { ArgumentName: 'Authorization' } },
    )
  }
  const common = readFields(text)
  const timeMs = requestTimeMs({ amzDate: single(headers['x-amz-date']), date: headers.date }, nowMs)
  if (timeMs === undefined)
    throw new S3Error('AccessDenied', 'A signed request needs a valid x-amz-date (such as 20130524T000000Z) or Date header')
  return { ...common, timeMs, expiresSeconds: undefined }
}

type CommonFields = Pick<ClaimedSignature, 'accessKey' | 'scope' | 'signedHeaders' | 'signature'>

/** What stood before the signature in headers read lately, and what it says: a client sends the same with each of its requests. */
const known = new Map<string, Omit<CommonFields, 'signature'>>()
/** The last of them that was asked for: to compare it costs less than to look for it. */
let lately: { readonly before: string; readonly fields: Omit<CommonFields, 'signature'> } | undefined
const KNOWN_MAX = 1_024
const KNOWN_LENGTH_MAX = 1_024

function readFields(text: string): CommonFields {
  const last = text.slice(-SIGNATURE_LENGTH)
  const read = findFields(text)
  if (read !== undefined && SIGNATURE.test(last)) {
    const { accessKey, scope, signedHeaders } = read
    return { accessKey, scope, signedHeaders, signature: last }
  }
  const before = text.slice(0, -SIGNATURE_LENGTH)
  const fields = parseFields(text)
  if (fields.signature !== last || !before.endsWith('Signature=') || before.length > KNOWN_LENGTH_MAX) return fields
  const { signature: _, ...rest } = fields
  if (known.size >= KNOWN_MAX) known.clear()
  known.set(before, rest)
  return fields
}

function findFields(text: string): Omit<CommonFields, 'signature'> | undefined {
  if (lately !== undefined && text.length === lately.before.length + SIGNATURE_LENGTH && text.startsWith(lately.before))
    return lately.fields
  const before = text.slice(0, -SIGNATURE_LENGTH)
  const fields = known.get(before)
  if (fields !== undefined) lately = { before, fields }
  return fields
}

function parseFields(text: string): CommonFields {
  const fields = new Map<string, string>()
  for (const part of text.slice(text.indexOf(' ') + 1).split(',')) {
    const equals = part.indexOf('=')
    const name = part.slice(0, equals).trim()
    if (equals === -1 || fields.has(name)) throw malformed('it is not a list of Name=value, each given once')
    fields.set(name, part.slice(equals + 1).trim())
  }
  const credential = fields.get('Credential')
  const signedHeaders = fields.get('SignedHeaders')
  const signature = fields.get('Signature')
  if (credential === undefined || signedHeaders === undefined || signature === undefined)
    throw malformed('Credential, SignedHeaders and Signature are expected')
  return readCommon({ credential, signedHeaders, signature }, malformed)
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}

function readParameters(query: S3Query): ClaimedSignature {
  const { accessKey, scope, signedHeaders, expiresSeconds } = query.derive(readAllButStamp)
  const timeMs = parseAmzDate(requireParameter(query, 'X-Amz-Date'))
  if (timeMs === undefined) throw malformedQuery('X-Amz-Date has to be like 20130524T000000Z')
  const signature = requireParameter(query, 'X-Amz-Signature')
  if (query.stamp === undefined && !SIGNATURE.test(signature)) throw malformedSignature(malformedQuery)
  return { accessKey, scope, signedHeaders, signature, timeMs, expiresSeconds }
}

function requireParameter(query: S3Query, name: string): string {
  const value = query.get(name)
  if (value === undefined || value === '')
    throw malformedQuery(`X-Amz-Algorithm, -Credential, -Date, -Expires, -SignedHeaders and -Signature are expected`)
  return value
}

function readAllButStamp(query: S3Query): Omit<ClaimedSignature, 'signature' | 'timeMs'> {
  const get = (name: string): string => requireParameter(query, name)
  const algorithm = get('X-Amz-Algorithm')
  if (algorithm !== ALGORITHM) throw malformedQuery(`X-Amz-Algorithm has to be ${ALGORITHM}`)
  const expires = get('X-Amz-Expires')
  if (!/^-?\d{1,15}$/.test(expires)) throw malformedQuery(`X-Amz-Expires "${expires.slice(0, 20)}" is not a number of seconds`)
  const expiresSeconds = Number(expires)
  if (expiresSeconds < 0 || expiresSeconds > MAX_EXPIRES_SECONDS)
    throw new S3Error(
      'AccessDenied',
      `X-Amz-Expires is ${expires}: it has to be from 0 to ${MAX_EXPIRES_SECONDS} seconds, a week`,
    )
  const who = readWho({ credential: get('X-Amz-Credential'), signedHeaders: get('X-Amz-SignedHeaders') }, malformedQuery)
  return { ...who, expiresSeconds }
}

function readCommon(
  claimed: { readonly credential: string; readonly signedHeaders: string; readonly signature: string },
  refuse: (why: string) => S3Error,
): CommonFields {
  const { signature } = claimed
  const who = readWho(claimed, refuse)
  if (!SIGNATURE.test(signature)) throw malformedSignature(refuse)
  return { ...who, signature }
}

function malformedSignature(refuse: (why: string) => S3Error): S3Error {
  return refuse('Signature has to be 64 lower-case hexadecimal characters')
}

/** By credential and names of headers, as a client sends them with each of its requests. */
const knownWho = new Map<string, Omit<CommonFields, 'signature'>>()

function readWho(
  { credential, signedHeaders: list }: { readonly credential: string; readonly signedHeaders: string },
  refuse: (why: string) => S3Error,
): Omit<CommonFields, 'signature'> {
  // Of headers no name has a line feed in it: that much is certain of what is in the map.
  const text = `${list}\n${credential}`
  const read = knownWho.get(text)
  if (read !== undefined) return read
  const { accessKey, scope } = parseCredential(credential, refuse)
  const names = list.split(';')
  if (names.some((name) => !/^[!#$%&'*+\-.^`|~a-z0-9_]+$/.test(name)) || new Set(names).size !== names.length)
    throw refuse('SignedHeaders has to name headers in lower case, each once, with ";" between them')
  const who = { accessKey, scope, signedHeaders: new SignedHeaders(names) }
  if (text.length <= KNOWN_LENGTH_MAX) {
    if (knownWho.size >= KNOWN_MAX) knownWho.clear()
    knownWho.set(text, who)
  }
  return who
}

/** Reads `KEY/20130524/us-east-1/s3/aws4_request`; any region will do. */
export function parseCredential(
  credential: string,
  refuse: (why: string) => S3Error,
): { readonly accessKey: string; readonly scope: Scope } {
  const parts = credential.split('/')
  const [date, region, service, end] = parts.slice(-4)
  const accessKey = parts.slice(0, -4).join('/')
  if (parts.length < 5 || accessKey === '' || end !== 'aws4_request' || !/^\d{8}$/.test(date ?? ''))
    throw refuse('Credential has to be ACCESSKEY/YYYYMMDD/REGION/s3/aws4_request')
  if (service !== 's3') throw refuse(`Credential is for the service "${(service ?? '').slice(0, 40)}"; this is "s3"`)
  return { accessKey, scope: { date: date as string, region: region as string, service } }
}

function malformed(why: string): S3Error {
  return new S3Error('AuthorizationHeaderMalformed', `The Authorization header is malformed: ${why}`)
}

function malformedQuery(why: string): S3Error {
  return new S3Error('AuthorizationQueryParametersError', `The parameters of the signature are malformed: ${why}`)
}
