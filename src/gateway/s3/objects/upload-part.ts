import type { ObjectPartInfo, ObjectUpload } from '#volume/objects.ts'
import { describeEncryption, keyOfUpload } from '../encryption.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { type AnnouncedChecksum, announcedChecksum, CheckedBody } from './checked-body.ts'
import { checksumHeader } from './checksum.ts'
import { openBucket } from './find-object.ts'
import { findUpload, readPartNumber } from './find-upload.ts'
import { readMd5 } from './store-object.ts'

export const uploadPart: S3Operation = {
  name: 'UploadPart',
  method: 'PUT',
  where: 'object',
  isRemembered: true,
  markers: ['partNumber', 'uploadId'],
  async handle(call) {
    const number = readPartNumber(call)
    const objects = await openBucket(call)
    const upload = await findUpload(call, objects)
    const key = keyOfUpload(call, objects, upload)
    const md5 = readMd5(call.exchange.headers)
    const payload = call.body()
    const announced = checksumOfPart(call, upload, payload.trailerNames)
    const body = announced === undefined ? payload : new CheckedBody(payload, announced)
    const checksum = (): ObjectPartInfo['checksum'] => {
      const value = body instanceof CheckedBody ? body.value : undefined
      if (announced === undefined || value === undefined) return undefined
      return { algorithm: announced.algorithm, value: value.toString('base64') }
    }
    const part = await objects.putPart(upload, body, {
      caller: call.caller,
      number,
      checksum,
      expected: {
        ...(payload.lengthBytes === undefined ? {} : { sizeBytes: payload.lengthBytes }),
        ...(md5 === undefined ? {} : { md5 }),
      },
      key,
      signal: call.exchange.signal,
    })
    const headers = ['ETag', `"${part.etag}"`, ...describeEncryption(call, upload.properties.encryption)]
    if (part.checksum !== undefined) headers.push(checksumHeader(part.checksum.algorithm), part.checksum.value)
    call.sendEmpty(200, headers)
  },
}

/** What the part has announced, or what the upload wants of it. */
function checksumOfPart(
  call: S3Call,
  { checksum }: ObjectUpload,
  trailerNames: readonly string[],
): AnnouncedChecksum | undefined {
  const announced = announcedChecksum(call.exchange.headers, trailerNames)
  if (checksum === undefined) return announced
  if (announced !== undefined && announced.algorithm !== checksum.algorithm) {
    throw new S3Error(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${checksum.algorithm.toLowerCase()}, actual checksum Type: ${announced.algorithm.toLowerCase()}`,
    )
  }
  return announced ?? { algorithm: checksum.algorithm, value: undefined, isTrailer: false }
}
