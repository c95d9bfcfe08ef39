import type { z } from 'zod'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { VolumeSettings } from '#volume/volume.ts'
import { volumeJson } from './entry-json.ts'
import { callerOnce, readJson, volumeName } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { PolicySchema, VolumeSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const putVolume: Route = {
  operation: 'putVolume',
  method: 'PUT',
  path: '/api/v1/volumes/{volume}',
  summary: 'Makes a volume, or updates the given fields of the policy of one that exists',
  isRemembered: true,
  requestHeaders: ['If-None-Match'],
  body: { contentType: 'application/json', schema: PolicySchema },
  responses: { 201: { description: 'Created', schema: VolumeSchema }, 200: { description: 'Updated', schema: VolumeSchema } },
  errors: ['INVALID_PATH', 'PRECONDITION_FAILED', 'VOLUME_NOT_FOUND', ...BODY_ERRORS, ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const name = volumeName(exchange)
    const onlyNew = exchange.headers['if-none-match'] === '*'
    const [create, update] = [callerOnce(exchange, 'create'), callerOnce(exchange, 'update')]
    // What is there already may have been made by this request.
    if (onlyNew && create.request?.isRepeat !== true && (await rest.volumes.find(name)) !== undefined) throw exists(name)
    const policy = policyOf(await readJson(exchange, PolicySchema))
    try {
      sendJson(exchange, 201, volumeJson(await rest.volumes.create(name, policy, create)))
    } catch (error) {
      if (!isShoalError(error, 'VOLUME_EXISTS')) throw error
      if (onlyNew) throw exists(name)
      sendJson(exchange, 200, volumeJson(await rest.volumes.update(name, policy, update)))
    }
  },
}

/** `null` lifts a quota: the policy says `undefined` for it, which isn't the same as leaving the field out. */
export function policyOf(asked: z.output<typeof PolicySchema>): Partial<VolumeSettings> {
  const policy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(asked)) {
    if (value !== undefined) policy[key] = value === null ? undefined : value
  }
  return policy
}

function exists(name: string): ShoalError {
  return new ShoalError('PRECONDITION_FAILED', `There is a volume "${name}" already`)
}
