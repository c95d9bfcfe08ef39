import type { Objects, ObjectUpload } from '#volume/objects.ts'
import type { S3Call } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

export const MAX_PARTS = 10_000

/** The upload that `uploadId` names, of the request's key. @throws NoSuchUpload */
export async function findUpload(call: S3Call, objects: Objects): Promise<ObjectUpload> {
  const id = call.query.get('uploadId') ?? ''
  const upload = await objects.findUpload(call.key, id)
  if (upload === undefined) throw noSuchUpload(id)
  return upload
}

export function noSuchUpload(id: string): S3Error {
  return new S3Error(
    'NoSuchUpload',
    'The specified multipart upload does not exist. The upload ID might be invalid, or the upload might have been aborted or completed.',
    { elements: { UploadId: id.slice(0, 80) } },
  )
}

/** @throws InvalidArgument */
export function readPartNumber(call: S3Call): number {
  const text = call.query.get('partNumber') ?? ''
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= MAX_PARTS) return number
  throw new S3Error('InvalidArgument', `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`, {
    elements: { ArgumentName: 'partNumber', ArgumentValue: text.slice(0, 80) },
  })
}
