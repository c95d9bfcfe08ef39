import { SMALL_BODY_BYTES } from '#gateway/http/body-gate.ts'
import type { ObjectInfo, ObjectProperties } from '#volume/objects.ts'
import { chooseEncryption, describeEncryption } from '../encryption.ts'
import { expirationHeaders } from '../expiration.ts'
import { writtenProperties } from '../access/written-properties.ts'
import type { ObjectToStore, S3Call, StoredObject } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { announcedChecksum, CheckedBody } from './checked-body.ts'
import { writeCheck } from './conditions.ts'
import { namesVersions } from './find-object.ts'
import { describeChecksum, type Headers, headerText, readProperties } from './object-headers.ts'

/** Amazon S3's limit for what comes, or is copied, in one piece: 5 GiB. */
export const MAX_SINGLE_BYTES = 5 * 1024 ** 3

/** Stores an object, whether it comes by PUT or as the file of a form. */
export async function storeObject(call: S3Call, { key, headers, payload }: ObjectToStore): Promise<StoredObject> {
  const { objects, settings } = await call.services.volumes.openBucket(call.bucket)
  refuseUnknown(headers)
  const announced = announcedChecksum(headers, payload.trailerNames)
  const encryption = chooseEncryption((name) => headerText(headers, name), settings, objects)
  const given = { ...readProperties(headers), ...(await writtenProperties(call, headers)), ...encryption.properties }
  const md5 = readMd5(headers)
  const check = writeCheck(headers)
  const body = announced === undefined ? payload : new CheckedBody(payload, announced)
  const properties = (): ObjectProperties => {
    const value = body instanceof CheckedBody ? body.value : undefined
    if (announced === undefined || value === undefined) return given
    return { ...given, checksum: { algorithm: announced.algorithm, type: 'FULL_OBJECT', value: value.toString('base64') } }
  }
  const isQuestion = call.caller.request?.isQuestion === true
  const isSmall = !isQuestion && payload.lengthBytes !== undefined && payload.lengthBytes <= SMALL_BODY_BYTES
  const object = await objects.put(key, isSmall ? await body.collect() : body, {
    caller: call.caller,
    properties,
    check,
    expected: {
      ...(payload.lengthBytes === undefined ? {} : { sizeBytes: payload.lengthBytes }),
      ...(md5 === undefined ? {} : { md5 }),
    },
    key: encryption.key,
    signal: call.exchange.signal,
  })
  const { etag, headers: stored } = describeStored(object, namesVersions(objects))
  const encrypted = describeEncryption(call, object.properties.encryption)
  return { etag, headers: [...stored, ...encrypted, ...expirationHeaders(settings, object)] }
}

export function describeStored(object: ObjectInfo, hasVersions: boolean): StoredObject {
  return {
    etag: `"${object.etag}"`,
    headers: [...(hasVersions ? ['x-amz-version-id', object.versionId] : []), ...describeChecksum(object)],
  }
}

/** The header Content-MD5. @throws InvalidDigest */
export function readMd5(headers: Headers): Buffer | undefined {
  const text = headerText(headers, 'content-md5')
  if (text === undefined) return undefined
  const md5 = Buffer.from(text, 'base64')
  if (md5.length !== 16 || md5.toString('base64') !== text.trim())
    throw new S3Error('InvalidDigest', 'The Content-MD5 you specified is not valid: 16 bytes in base64 are expected')
  return md5
}

function refuseUnknown(headers: Headers): void {
  if (headers['x-amz-write-offset-bytes'] !== undefined)
    throw new S3Error('NotImplemented', 'Appending by x-amz-write-offset-bytes is not implemented')
}
