import { expirationHeaders } from '../expiration.ts'
import type { S3Operation } from '../operation.ts'
import { findObject, isVersioned, openBucket, targetOf } from './find-object.ts'
import { planReading } from './read-object.ts'

export const headObject: S3Operation = {
  name: 'HeadObject',
  method: 'HEAD',
  where: 'object',
  async handle(call) {
    const objects = await openBucket(call)
    const object = await findObject(objects, targetOf(call))
    const { status, headers, range } = planReading(call, object, isVersioned(objects))
    headers.push(...(await expirationHeaders(call, object)), 'Content-Length', String(range.length))
    call.sendEmpty(status, headers)
  },
}
