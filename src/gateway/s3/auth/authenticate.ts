import type { IncomingHttpHeaders } from 'node:http'
import { ANONYMOUS } from '#access/principal.ts'
import type { FindKey, Principal } from '#access/principal.ts'
import { S3Error } from '../s3-error.ts'
import type { S3Query } from '../s3-query.ts'
import type { RequestToVerify } from './canonical-request.ts'
import { readSignature } from './claimed-signature.ts'
import type { ClaimedSignature } from './claimed-signature.ts'
import { parsePayloadHash, UNSIGNED_PAYLOAD } from './payload-hash.ts'
import type { PayloadForm } from './payload-hash.ts'
import type { SigningKeys } from './signing-keys.ts'
import { checkSignedHeaders, checkTime, verifySignature } from './verify-signature.ts'
import type { Seed } from './verify-signature.ts'

export interface Authenticated {
  readonly principal: Principal
  readonly payload: PayloadForm
  /** Where the signatures of a payload in chunks begin; `undefined` for requests without a signature. */
  readonly seed: Seed | undefined
}

export interface RequestToAuthenticate extends RequestToVerify {
  readonly headers: IncomingHttpHeaders
  readonly parameters: S3Query
}

/** Who sent the request, by its signature; `ANONYMOUS` if it has none.
 *  @throws InvalidAccessKeyId, SignatureDoesNotMatch, AccessDenied, RequestTimeTooSkewed and others, as S3 has them */
export function authenticate(
  request: RequestToAuthenticate,
  access: { readonly find: FindKey; readonly keys: SigningKeys; readonly nowMs: number },
): Authenticated {
  const { headers, parameters } = request
  const claimed = readSignature(headers, parameters, access.nowMs)
  const payloadHash = readPayloadHash(request, claimed)
  const payload = parsePayloadHash(payloadHash)
  if (claimed === undefined) {
    if (payload.kind === 'chunks' && payload.signed)
      throw new S3Error('InvalidRequest', 'Chunks are signed only in a signed request')
    return { principal: ANONYMOUS, payload, seed: undefined }
  }
  checkTime(claimed, access.nowMs)
  refuseSessions(request)
  checkSignedHeaders(request.rawHeaders, claimed.signedHeaders)
  const key = access.find(claimed.accessKey)
  if (key === undefined) throw unknownKey(claimed.accessKey)
  const seed = verifySignature(request, claimed, { credentials: key, keys: access.keys, payloadHash })
  return { principal: key.principal, payload, seed }
}

export function unknownKey(accessKey: string): S3Error {
  return new S3Error('InvalidAccessKeyId', 'The access key does not exist here, or is disabled', {
    elements: { AWSAccessKeyId: accessKey.slice(0, 128) },
  })
}

/** As the signature covers it. */
function readPayloadHash({ headers, parameters }: RequestToAuthenticate, claimed: ClaimedSignature | undefined): string {
  const header = headers['x-amz-content-sha256']
  const given = typeof header === 'string' ? header : undefined
  if (claimed === undefined) return given ?? UNSIGNED_PAYLOAD
  if (claimed.expiresSeconds !== undefined) return given ?? parameters.get('X-Amz-Content-Sha256') ?? UNSIGNED_PAYLOAD
  if (given === undefined) throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  return given
}

/** No session tokens are handed out here, so none is right. */
function refuseSessions({ headers, parameters }: RequestToAuthenticate): void {
  if (headers['x-amz-security-token'] === undefined && !parameters.has('X-Amz-Security-Token')) return
  throw new S3Error(
    'InvalidToken',
    'The session token is not known here: sign with a key of your own instead of temporary credentials',
  )
}
