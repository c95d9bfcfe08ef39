import type { S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { setOfBucket, unsetOfBucket } from './change-settings.ts'
import { readLifecycle, writeLifecycle } from './lifecycle-xml.ts'

export const getBucketLifecycleConfiguration: S3Operation = {
  name: 'GetBucketLifecycleConfiguration',
  method: 'GET',
  where: 'bucket',
  markers: ['lifecycle'],
  async handle(call) {
    const { lifecycle } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (lifecycle === undefined)
      throw new S3Error('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist', {
        elements: { BucketName: call.bucket },
      })
    call.sendXml(200, writeLifecycle(lifecycle))
  },
}

export const putBucketLifecycleConfiguration: S3Operation = {
  name: 'PutBucketLifecycleConfiguration',
  method: 'PUT',
  where: 'bucket',
  markers: ['lifecycle'],
  async handle(call) {
    const root = await call.readXml('LifecycleConfiguration')
    const lifecycle = readLifecycle(root, () => call.services.random.bytes(16).toString('hex'))
    await setOfBucket(call, { lifecycle })
    call.sendEmpty(200)
  },
}

export const deleteBucketLifecycle: S3Operation = {
  name: 'DeleteBucketLifecycle',
  method: 'DELETE',
  where: 'bucket',
  markers: ['lifecycle'],
  async handle(call) {
    await unsetOfBucket(call, 'lifecycle')
    call.sendEmpty(204)
  },
}
