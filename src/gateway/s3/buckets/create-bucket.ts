import { isShoalError } from '#foundation/errors.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

export const createBucket: S3Operation = {
  name: 'CreateBucket',
  method: 'PUT',
  where: 'bucket',
  async handle(call) {
    const { bucket, services, caller } = call
    await readConfiguration(call)
    try {
      await services.volumes.create(bucket, {}, caller)
    } catch (error) {
      if (isShoalError(error, 'VOLUME_EXISTS')) throw alreadyOwned(bucket)
      throw error
    }
    call.sendEmpty(200, ['Location', `/${bucket}`])
  },
}

/** The body may ask for a place, and there is one only: any name of a region will do. */
async function readConfiguration(call: S3Call): Promise<void> {
  if (call.exchange.lengthBytes === 0) return
  const root = await call.readXml('CreateBucketConfiguration')
  for (const { name, text } of root.children) {
    if (name === 'LocationConstraint') {
      if (!/^[A-Za-z0-9-]{0,64}$/.test(text.trim()))
        throw new S3Error('InvalidLocationConstraint', `"${text.slice(0, 80)}" can't be the name of a region`)
    } else if (name !== 'Tags') {
      throw new S3Error('NotImplemented', `CreateBucketConfiguration with ${name} is not implemented here`)
    }
  }
}

function alreadyOwned(bucket: string): S3Error {
  return new S3Error('BucketAlreadyOwnedByYou', `The bucket "${bucket}" exists already, and it is yours`, {
    elements: { BucketName: bucket },
  })
}
