import { hash, timingSafeEqual } from 'node:crypto'
import type { Credentials } from '#access/principal.ts'
import { S3Error } from '../s3-error.ts'
import { NO_DATE } from '../s3-query.ts'
import type { S3Query } from '../s3-query.ts'
import { formatAmzDate } from './amz-date.ts'
import { canonicalPath, canonicalQuery, canonicalRequest } from './canonical-request.ts'
import type { RequestToVerify } from './canonical-request.ts'
import { ALGORITHM } from './claimed-signature.ts'
import type { ClaimedSignature } from './claimed-signature.ts'
import type { Hmac } from './hmac.ts'
import type { SignedHeaders } from './signed-headers.ts'
import type { SigningKeys } from './signing-keys.ts'

/** How far the clocks of client and node may be apart, as S3 has it. */
const MAX_SKEW_MS = 15 * 60 * 1000
/** Of what an answer quotes to help find why a signature doesn't match. */
const QUOTED_MAX = 4_096

/** The signature that the next one of a body signed in chunks continues from. */
export interface Seed {
  readonly signature: string
  readonly signingKey: Hmac
  /** The lines of every string to sign behind its algorithm: time and scope. */
  readonly timeAndScope: string
}

/** When it was signed, and for how long it counts. @throws RequestTimeTooSkewed, AccessDenied, AuthorizationHeaderMalformed */
export function checkTime(claimed: ClaimedSignature, nowMs: number): void {
  const { timeMs, expiresSeconds, scope } = claimed
  if (!formatAmzDate(timeMs).startsWith(scope.date)) {
    const code = expiresSeconds === undefined ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError'
    throw new S3Error(code, `The credential is of ${scope.date}, and the request of ${formatAmzDate(timeMs)}`)
  }
  if (expiresSeconds === undefined ? Math.abs(nowMs - timeMs) > MAX_SKEW_MS : timeMs - nowMs > MAX_SKEW_MS) {
    throw new S3Error('RequestTimeTooSkewed', 'The time of the request and the time here are more than 15 minutes apart', {
      elements: {
        RequestTime: formatAmzDate(timeMs),
        ServerTime: new Date(nowMs).toISOString(),
        MaxAllowedSkewMilliseconds: MAX_SKEW_MS,
      },
    })
  }
  if (expiresSeconds !== undefined && nowMs >= timeMs + expiresSeconds * 1000) {
    throw new S3Error('AccessDenied', 'Request has expired', {
      elements: {
        'X-Amz-Expires': expiresSeconds,
        Expires: new Date(timeMs + expiresSeconds * 1000).toISOString(),
        ServerTime: new Date(nowMs).toISOString(),
      },
    })
  }
}

/** @throws AccessDenied */
export function checkSignedHeaders(rawHeaders: readonly string[], signed: SignedHeaders): void {
  const missing = signed.missing(rawHeaders)
  if (missing.length > 0) throw notSigned(missing)
}

function notSigned(names: readonly string[]): S3Error {
  const list = names.join(', ').slice(0, 400)
  return new S3Error('AccessDenied', `There were headers present in the request which were not signed: ${list}`, {
    elements: { HeadersNotSigned: list },
  })
}

/** Compares the claimed signature with the one that the request has. The path counts in its canonical form, or as it was
 *  sent, for clients that sign what they send. @throws SignatureDoesNotMatch, INVALID_PATH */
export function verifySignature(
  request: RequestToVerify & { readonly parameters: S3Query },
  claimed: ClaimedSignature,
  secrets: { readonly credentials: Credentials; readonly keys: SigningKeys; readonly payloadHash: string },
): Seed {
  const { scope, signedHeaders: signed, timeMs } = claimed
  const { hmac: signingKey, scope: scopeText } = secrets.keys.get(secrets.credentials, scope)
  const timeAndScope = `${formatAmzDate(timeMs)}\n${scopeText}`
  const query = claimed.expiresSeconds === undefined ? canonicalQuery(request.query) : canonicalParameters(request.parameters)
  const path = canonicalPath(request.path)
  const { payloadHash } = secrets
  let canonical = ''
  let stringToSign = ''
  for (const form of path === request.path ? [path] : [request.path, path]) {
    canonical = canonicalRequest(request, { path: form, query, signed, payloadHash })
    stringToSign = `${ALGORITHM}\n${timeAndScope}\n${hash('sha256', Buffer.from(canonical, 'latin1'))}`
    if (sameSignature(signingKey.sign(stringToSign), claimed.signature))
      return { signature: claimed.signature, signingKey, timeAndScope }
  }
  throw new S3Error(
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided. Check your secret key and signing method',
    {
      elements: {
        AWSAccessKeyId: claimed.accessKey,
        SignatureProvided: claimed.signature,
        StringToSign: stringToSign,
        CanonicalRequest: canonical.slice(0, QUOTED_MAX),
      },
    },
  )
}

/** Of a presigned query, without its signature. */
function canonicalParameters(query: S3Query): string {
  if (query.stamp === undefined) return canonicalQuery(query.text, 'X-Amz-Signature')
  const [before, after] = query.derive(canonicalAroundDate)
  return `${before}${query.stamp.date}${after}`
}

function canonicalAroundDate(query: S3Query): readonly [before: string, after: string] {
  const canonical = canonicalQuery(query.text)
  // Within a name or a value "=" is written otherwise.
  const at = `&${canonical}`.indexOf(DATE_PARAMETER) + DATE_PARAMETER.length - 1
  return [canonical.slice(0, at), canonical.slice(at + NO_DATE.length)]
}

const DATE_PARAMETER = '&X-Amz-Date='

/** Of version 4, in hexadecimal. Room for two of them: to make objects for each pair costs more than to compare it. */
const SIGNATURE_BYTES = 64
const ours = Buffer.alloc(SIGNATURE_BYTES)
const theirs = Buffer.alloc(SIGNATURE_BYTES)

/** In constant time. */
export function sameSignature(computed: string, given: string): boolean {
  if (computed.length !== given.length) return false
  if (computed.length !== SIGNATURE_BYTES) return timingSafeEqual(Buffer.from(computed, 'latin1'), Buffer.from(given, 'latin1'))
  ours.write(computed, 'latin1')
  theirs.write(given, 'latin1')
  return timingSafeEqual(ours, theirs)
}
