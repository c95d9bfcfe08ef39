import type { S3Operation } from '../operation.ts'
import { storeObject } from './store-object.ts'

export const putObject: S3Operation = {
  name: 'PutObject',
  method: 'PUT',
  where: 'object',
  isRemembered: true,
  async handle(call) {
    const { etag, headers } = await storeObject(call, { key: call.key, headers: call.exchange.headers, payload: call.body() })
    call.sendEmpty(200, ['ETag', etag, ...headers])
  },
}
