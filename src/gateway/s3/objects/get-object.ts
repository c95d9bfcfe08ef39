import { describeEncryption, requireReadable } from '../encryption.ts'
import { expirationHeaders } from '../expiration.ts'
import type { S3Operation } from '../operation.ts'
import { isVersioned, openObject, targetOf } from './find-object.ts'
import { planReading } from './read-object.ts'

export const getObject: S3Operation = {
  name: 'GetObject',
  method: 'GET',
  where: 'object',
  async handle(call) {
    const { objects, settings } = await call.services.volumes.openBucket(call.bucket)
    const open = await openObject(objects, targetOf(call))
    const { object, file } = open
    try {
      requireReadable(call, { object, objects, open })
      const { status, headers, range } = planReading(call, object, isVersioned(objects))
      headers.push(...expirationHeaders(settings, object), ...describeEncryption(call, object.properties.encryption))
      const { offset, length } = range
      if (file.bytes !== undefined || length === 0) {
        const bytes = file.bytes?.subarray(offset, offset + length) ?? Buffer.alloc(0)
        call.sendBytes(status, headers, bytes)
        return
      }
      const bytes = file.read(range, call.exchange.signal)
      await call.sendStream(status, headers, { bytes, lengthBytes: length })
    } finally {
      file.close()
    }
  },
}
