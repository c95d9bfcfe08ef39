import { volumeJson } from './entry-json.ts'
import type { Route } from './route.ts'
import { VolumeListSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const listVolumes: Route = {
  operation: 'listVolumes',
  method: 'GET',
  path: '/api/v1/volumes',
  summary: 'Lists the volumes',
  responses: { 200: { description: 'All volumes, unless it says which are missing', schema: VolumeListSchema } },
  errors: [],
  async handle(exchange, rest) {
    const known = (await rest.volumes.listKnown?.()) ?? { volumes: await rest.volumes.list() }
    const { volumes, missing } = known
    sendJson(exchange, 200, { volumes: volumes.map(volumeJson), ...(missing === undefined ? {} : { missing }) })
  },
}
