import { z } from 'zod'
import { conflictJson, conflictsOf } from './conflict-json.ts'
import { openVolume } from './open-volume.ts'
import { readQuery } from './read-request.ts'
import type { Route } from './route.ts'
import { ConflictListSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

const QuerySchema = z.strictObject({
  prefix: z.string().optional().meta({ description: 'Only paths that begin with it' }),
  cursor: z.string().min(1).optional().meta({ description: '`next` of the page before' }),
})

export const listConflicts: Route = {
  operation: 'listConflicts',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/conflicts',
  summary: 'Lists the paths of an eventual volume with versions that lost, page by page',
  query: QuerySchema,
  responses: { 200: { description: 'A page', schema: ConflictListSchema } },
  errors: ['VOLUME_NOT_FOUND', 'INVALID_PATH', 'UNSUPPORTED'],
  async handle(exchange, rest) {
    const { prefix, cursor } = readQuery(exchange, QuerySchema)
    const conflicts = conflictsOf(await openVolume(exchange, rest))
    const page = await conflicts.list({
      ...(prefix === undefined ? {} : { prefix }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    sendJson(exchange, 200, {
      conflicts: page.conflicts.map(conflictJson),
      ...(page.next === undefined ? {} : { next: page.next }),
    })
  },
}
