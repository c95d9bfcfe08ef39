// Encryption that clients ask for: Amazon S3 User Guide, "Using server-side encryption with Amazon S3 managed keys (SSE-S3)"
// and "… with customer-provided keys (SSE-C)".

import { hash } from 'node:crypto'
import type { BucketSettings } from '#volume/bucket-settings.ts'
import type { ContentKey, ObjectEncryption, ObjectInfo, Objects, ObjectUpload, OpenObject } from '#volume/objects.ts'
import type { S3Call } from './operation.ts'
import { S3Error } from './s3-error.ts'

type Header = (name: string) => string | undefined

const ALGORITHM = 'AES256'
const KEY_BYTES = 32
const NODE = 'x-amz-server-side-encryption'
const CUSTOMER = `${NODE}-customer-`
/** The names of headers that bring a key: made once, since each read looks for them. */
const customerHeaders = (prefix: string) => ({ algorithm: `${prefix}algorithm`, key: `${prefix}key`, md5: `${prefix}key-md5` })
const CUSTOMER_HEADERS = customerHeaders(CUSTOMER)
const SOURCE_CUSTOMER_HEADERS = customerHeaders('x-amz-copy-source-server-side-encryption-customer-')

/** A key that a client has brought. */
interface CustomerKey {
  readonly key: Buffer
  /** Its MD5 in base64, as it came and as answers repeat it. */
  readonly md5: string
}

/** How contents are to be encrypted. */
export interface ChosenEncryption {
  readonly key: ContentKey | undefined
  readonly properties: { readonly encryption?: ObjectEncryption }
}

/** What a new object's headers ask for, else what its bucket does.
 *  @throws InvalidArgument, InvalidRequest, InvalidEncryptionAlgorithmError, NotImplemented */
export function chooseEncryption(header: Header, settings: BucketSettings, objects: Objects): ChosenEncryption {
  const brought = readCustomerKey(header, CUSTOMER_HEADERS)
  const wantsNode = readNodeHeader(header)
  if (brought !== undefined) {
    if (wantsNode)
      throw invalid('Server Side Encryption with Customer provided key is incompatible with the encryption method specified')
    return chosen(objects.makeKey(brought.key))
  }
  if (!wantsNode && settings.encryption === undefined) return { key: undefined, properties: {} }
  return chosen(objects.makeKey())
}

function chosen({ key, encryption }: { key: ContentKey; encryption: ObjectEncryption }): ChosenEncryption {
  return { key, properties: { encryption } }
}

function readNodeHeader(header: Header): boolean {
  const algorithm = header(NODE)
  if (
    header(`${NODE}-aws-kms-key-id`) !== undefined ||
    header(`${NODE}-context`) !== undefined ||
    algorithm?.startsWith('aws:') === true
  ) {
    if (algorithm === undefined || algorithm === ALGORITHM)
      throw invalid('A key of a key management service is only for the encryption aws:kms, which is not implemented here')
    throw new S3Error(
      'NotImplemented',
      `Not implemented here: encryption with keys of a key management service (${algorithm.slice(0, 20)})`,
    )
  }
  if (algorithm === undefined) return false
  if (algorithm !== ALGORITHM)
    throw new S3Error(
      'InvalidEncryptionAlgorithmError',
      `The encryption request you specified is not valid. The valid value is ${ALGORITHM}.`,
    )
  return true
}

function readCustomerKey(header: Header, names: ReturnType<typeof customerHeaders>): CustomerKey | undefined {
  const algorithm = header(names.algorithm)
  const key = header(names.key)
  const md5 = header(names.md5)
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined
  if (algorithm === undefined)
    throw invalid(
      'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
    )
  if (algorithm !== ALGORITHM)
    throw new S3Error(
      'InvalidEncryptionAlgorithmError',
      `The encryption request you specified is not valid. The valid value is ${ALGORITHM}.`,
    )
  if (key === undefined)
    throw invalid(
      'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.',
    )
  if (md5 === undefined)
    throw invalid(
      'Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.',
    )
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length !== KEY_BYTES) throw invalid('The secret key was invalid for the specified algorithm.')
  if (hash('md5', bytes, 'base64') !== md5.trim())
    throw invalid('The calculated MD5 hash of the key did not match the hash that was provided.')
  return { key: bytes, md5: md5.trim() }
}

function invalid(why: string): S3Error {
  return new S3Error('InvalidArgument', why)
}

const headerOf =
  (call: S3Call): Header =>
  (name) =>
    call.header(name)

/** Headers of an answer about an object or an upload that is encrypted so. */
export function describeEncryption(call: S3Call, encryption: ObjectEncryption | undefined): string[] {
  if (encryption === undefined) return []
  if (encryption.kind === 'node') return [NODE, ALGORITHM]
  const md5 = call.header(CUSTOMER_HEADERS.md5)
  return md5 === undefined ? [] : [`${CUSTOMER}algorithm`, ALGORITHM, `${CUSTOMER}key-MD5`, md5.trim()]
}

/** For who reads an object, or of it: whether they have brought what it takes. With `open`, it is made readable.
 *  @throws InvalidRequest, InvalidArgument, AccessDenied */
export function requireReadable(
  call: S3Call,
  { object, objects, open }: { readonly object: ObjectInfo; readonly objects: Objects; readonly open?: OpenObject },
): void {
  if (call.header(NODE) !== undefined) throw invalid(`The header ${NODE} is for writing: reading needs none`)
  requireKey(object, readCustomerKey(headerOf(call), CUSTOMER_HEADERS), open ?? objects)
}

/** The same for the source of a copy. */
export function requireReadableSource(call: S3Call, open: OpenObject): void {
  requireKey(open.object, readCustomerKey(headerOf(call), SOURCE_CUSTOMER_HEADERS), open)
}

function requireKey({ properties }: ObjectInfo, brought: CustomerKey | undefined, what: OpenObject | Objects): void {
  const { encryption } = properties
  if (encryption?.kind !== 'customer') {
    if (brought === undefined) return
    throw new S3Error('InvalidRequest', 'The encryption parameters are not applicable to this object.')
  }
  if (brought === undefined)
    throw new S3Error(
      'InvalidRequest',
      'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    )
  const isRight = 'unlock' in what ? what.unlock(brought.key) : what.openKey(encryption, brought.key) !== undefined
  if (!isRight) throw wrongKey()
}

function wrongKey(): S3Error {
  return new S3Error('InvalidRequest', 'The provided encryption parameters did not match the ones used originally.')
}

/** The key of an upload, for a part of it. @throws InvalidRequest if that isn't the key that the upload was begun with */
export function keyOfUpload(call: S3Call, objects: Objects, { properties }: ObjectUpload): ContentKey | undefined {
  const { encryption } = properties
  const brought = readCustomerKey(headerOf(call), CUSTOMER_HEADERS)
  if (encryption?.kind !== 'customer' && brought !== undefined) throw wrongKey()
  if (encryption === undefined) return undefined
  if (encryption.kind === 'customer' && brought === undefined)
    throw new S3Error(
      'InvalidRequest',
      'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.',
    )
  const key = objects.openKey(encryption, brought?.key)
  if (key === undefined) throw wrongKey()
  return key
}

/** Who completes an upload has to bring its key only if it was begun with a checksum, as the API reference says of
 *  CompleteMultipartUpload: older clients send it with the parts alone. A wrong one is refused. */
export function checkBroughtKey(call: S3Call, objects: Objects, upload: ObjectUpload): void {
  if (upload.checksum !== undefined || call.header(`${CUSTOMER}algorithm`) !== undefined) keyOfUpload(call, objects, upload)
}
