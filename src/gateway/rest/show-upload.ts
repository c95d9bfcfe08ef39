import { ShoalError } from '#foundation/errors.ts'
import { parseUploadId } from '#foundation/ids.ts'
import type { UploadId } from '#foundation/ids.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { percentDecode } from '#gateway/http/target.ts'
import { uploadJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import type { Route } from './route.ts'
import { UploadSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const showUpload: Route = {
  operation: 'showUpload',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/uploads/{id}',
  summary: 'Shows an upload with the parts that have arrived',
  responses: { 200: { description: 'The upload', schema: UploadSchema } },
  errors: ['INVALID_PATH', 'VOLUME_NOT_FOUND', 'UPLOAD_NOT_FOUND'],
  async handle(exchange, rest) {
    const id = uploadId(exchange)
    const volume = await openVolume(exchange, rest)
    const upload = await volume.findUpload(id)
    if (upload === undefined)
      throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}": it was committed, aborted, or has expired`)
    sendJson(exchange, 200, uploadJson(upload))
  },
}

/** @throws UPLOAD_NOT_FOUND for what can't be an id */
export function uploadId(exchange: Exchange): UploadId {
  return parseUploadId(percentDecode(exchange.parameters[1] ?? ''))
}
