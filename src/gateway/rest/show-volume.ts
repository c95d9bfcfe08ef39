import { ShoalError } from '#foundation/errors.ts'
import { volumeJson } from './entry-json.ts'
import { volumeName } from './read-request.ts'
import type { Route } from './route.ts'
import { VolumeSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const showVolume: Route = {
  operation: 'showVolume',
  method: 'GET',
  path: '/api/v1/volumes/{volume}',
  summary: 'Shows a volume with its policy and usage',
  responses: { 200: { description: 'The volume', schema: VolumeSchema } },
  errors: ['VOLUME_NOT_FOUND', 'INVALID_PATH'],
  async handle(exchange, rest) {
    const name = volumeName(exchange)
    const info = await rest.volumes.find(name)
    if (info === undefined) throw volumeNotFound(name)
    sendJson(exchange, 200, volumeJson(info))
  },
}

export function volumeNotFound(name: string): ShoalError {
  return new ShoalError('VOLUME_NOT_FOUND', `There is no volume "${name}"`)
}
