import type { S3Operation } from '../operation.ts'

export const headBucket: S3Operation = {
  name: 'HeadBucket',
  method: 'HEAD',
  where: 'bucket',
  async handle(call) {
    await call.services.volumes.open(call.bucket)
    call.sendEmpty(200, ['x-amz-bucket-region', call.services.region])
  },
}
