import { createHmac } from 'node:crypto'
import type { FindKey, Principal } from '#access/principal.ts'
import { parseAmzDate } from '../auth/amz-date.ts'
import { unknownKey } from '../auth/authenticate.ts'
import { ALGORITHM, parseCredential } from '../auth/claimed-signature.ts'
import { deriveSigningKey } from '../auth/signing-keys.ts'
import { Hmac } from '../auth/hmac.ts'
import { sameSignature } from '../auth/verify-signature.ts'
import { S3Error } from '../s3-error.ts'

/** Who signed a form's policy; `undefined` for a form without one. Fields are by name in lower case.
 *
 *  Signature version 4, and also version 2, which signs the policy with HMAC-SHA1: unlike a request of that version, a
 *  policy names everything that it allows and when it ends.
 *  @throws InvalidArgument for missing fields, InvalidAccessKeyId, SignatureDoesNotMatch */
export function verifyPostSignature(fields: ReadonlyMap<string, string>, find: FindKey): Principal | undefined {
  const policy = fields.get('policy')
  const algorithm = fields.get('x-amz-algorithm')
  const accessKey = fields.get('awsaccesskeyid')
  if (policy === undefined) {
    if (algorithm === undefined && accessKey === undefined) return undefined
    throw missing('policy')
  }
  if (algorithm !== undefined) return verifyFour(fields, { policy, algorithm, find })
  if (accessKey === undefined) throw missing('x-amz-algorithm')
  const signature = fields.get('signature')
  if (signature === undefined) throw missing('signature')
  const key = find(accessKey)
  if (key === undefined) throw unknownKey(accessKey)
  const computed = createHmac('sha1', key.secretKey).update(policy).digest('base64')
  if (!sameSignature(computed, signature)) throw mismatch(accessKey)
  return key.principal
}

function verifyFour(
  fields: ReadonlyMap<string, string>,
  { policy, algorithm, find }: { readonly policy: string; readonly algorithm: string; readonly find: FindKey },
): Principal {
  const [credential, date, signature] = ['x-amz-credential', 'x-amz-date', 'x-amz-signature'].map((name) => {
    const value = fields.get(name)
    if (value === undefined) throw missing(name)
    return value
  }) as [string, string, string]
  if (algorithm !== ALGORITHM) throw wrong('x-amz-algorithm', `it has to be ${ALGORITHM}`)
  if (fields.has('x-amz-security-token')) throw new S3Error('InvalidToken', 'The session token is not known here')
  const { accessKey, scope } = parseCredential(credential, (why) => wrong('x-amz-credential', why))
  if (parseAmzDate(date) === undefined || !date.startsWith(scope.date))
    throw wrong('x-amz-date', 'a time like 20130524T000000Z of the day of the credential is expected')
  const key = find(accessKey)
  if (key === undefined) throw unknownKey(accessKey)
  if (!sameSignature(new Hmac(deriveSigningKey(key.secretKey, scope)).sign(policy), signature)) throw mismatch(accessKey)
  return key.principal
}

function missing(field: string): S3Error {
  return new S3Error(
    'InvalidArgument',
    `Bucket POST must contain a field named '${field}'. If it is specified, please check the order of the fields.`,
    { elements: { ArgumentName: field } },
  )
}

function wrong(field: string, why: string): S3Error {
  return new S3Error('InvalidArgument', `The form's field ${field} is wrong: ${why}`, { elements: { ArgumentName: field } })
}

function mismatch(accessKey: string): S3Error {
  return new S3Error(
    'SignatureDoesNotMatch',
    'The signature that was computed over the policy does not match the one of the form. Check your secret key and signing method',
    { elements: { AWSAccessKeyId: accessKey.slice(0, 128) } },
  )
}
