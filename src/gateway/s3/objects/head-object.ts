import { describeEncryption, requireReadable } from '../encryption.ts'
import { expirationHeaders } from '../expiration.ts'
import type { S3Operation } from '../operation.ts'
import { findObject, isVersioned, targetOf } from './find-object.ts'
import { planReading } from './read-object.ts'

export const headObject: S3Operation = {
  name: 'HeadObject',
  method: 'HEAD',
  where: 'object',
  async handle(call) {
    const { objects, settings } = await call.services.volumes.openBucket(call.bucket)
    const object = await findObject(objects, targetOf(call))
    requireReadable(call, { object, objects })
    const { status, headers, range } = planReading(call, object, isVersioned(objects))
    headers.push(...expirationHeaders(settings, object), ...describeEncryption(call, object.properties.encryption))
    headers.push('Content-Length', String(range.length))
    call.sendEmpty(status, headers)
  },
}
