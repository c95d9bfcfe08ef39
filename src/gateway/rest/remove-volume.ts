import { z } from 'zod'
import { callerOnce, readQuery, volumeName } from './read-request.ts'
import { CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { FlagSchema } from './schemas.ts'

const QuerySchema = z.strictObject({ force: FlagSchema.optional().meta({ description: 'Removes the contents too' }) })

export const removeVolume: Route = {
  operation: 'removeVolume',
  method: 'DELETE',
  path: '/api/v1/volumes/{volume}',
  summary: 'Removes a volume',
  isRemembered: true,
  query: QuerySchema,
  responses: { 204: { description: 'Removed' } },
  errors: ['INVALID_PATH', 'VOLUME_NOT_FOUND', 'VOLUME_NOT_EMPTY', ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const { force } = readQuery(exchange, QuerySchema)
    await rest.volumes.remove(volumeName(exchange), { caller: callerOnce(exchange), ...(force === true ? { force } : {}) })
    exchange.send(204, [])
  },
}
