import { openVolume } from './open-volume.ts'
import { callerOnce } from './read-request.ts'
import type { Route } from './route.ts'
import { uploadId } from './show-upload.ts'

export const abortUpload: Route = {
  operation: 'abortUpload',
  method: 'DELETE',
  path: '/api/v1/volumes/{volume}/uploads/{id}',
  summary: 'Ends an upload and lets go of its parts',
  isRemembered: true,
  responses: { 204: { description: 'Aborted' } },
  errors: ['INVALID_PATH', 'VOLUME_NOT_FOUND', 'UPLOAD_NOT_FOUND'],
  async handle(exchange, rest) {
    const id = uploadId(exchange)
    const volume = await openVolume(exchange, rest)
    await volume.abortUpload(id, callerOnce(exchange))
    exchange.send(204, [])
  },
}
