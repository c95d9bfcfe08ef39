import type { S3Operation } from '../operation.ts'

export const deleteBucket: S3Operation = {
  name: 'DeleteBucket',
  method: 'DELETE',
  where: 'bucket',
  async handle(call) {
    await call.services.volumes.remove(call.bucket, { caller: call.caller })
    call.sendEmpty(204)
  },
}
