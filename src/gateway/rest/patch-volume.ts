import { volumeJson } from './entry-json.ts'
import { policyOf } from './put-volume.ts'
import { callerOnce, readJson, volumeName } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { PolicySchema, VolumeSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const patchVolume: Route = {
  operation: 'patchVolume',
  method: 'PATCH',
  path: '/api/v1/volumes/{volume}',
  summary: 'Changes the given fields of a policy',
  isRemembered: true,
  body: { contentType: 'application/json', schema: PolicySchema },
  responses: { 200: { description: 'Changed', schema: VolumeSchema } },
  errors: ['INVALID_PATH', 'VOLUME_NOT_FOUND', ...BODY_ERRORS, ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const policy = policyOf(await readJson(exchange, PolicySchema))
    sendJson(exchange, 200, volumeJson(await rest.volumes.update(volumeName(exchange), policy, callerOnce(exchange))))
  },
}
