import type { S3Operation } from '../operation.ts'

export const deleteBucket: S3Operation = {
  name: 'DeleteBucket',
  method: 'DELETE',
  where: 'bucket',
  async handle(call) {
    await call.services.volumes.removeBucket(call.bucket, call.caller)
    call.sendEmpty(204)
  },
}
