import type { S3Operation } from '../operation.ts'
import { openBucket } from './find-object.ts'
import { findUpload } from './find-upload.ts'

export const abortMultipartUpload: S3Operation = {
  name: 'AbortMultipartUpload',
  method: 'DELETE',
  where: 'object',
  markers: ['uploadId'],
  async handle(call) {
    const objects = await openBucket(call)
    await objects.abort(await findUpload(call, objects), call.caller)
    call.sendEmpty(204)
  },
}
