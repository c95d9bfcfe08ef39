import { conflictsOf } from './conflict-json.ts'
import { entryJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { readJson, volumePath } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { EntrySchema, SettleConflictSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const settleConflict: Route = {
  operation: 'settleConflict',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/conflicts/{path*}',
  summary: 'Makes a version that lost the content of its path again, or lets it go',
  body: { contentType: 'application/json', schema: SettleConflictSchema, required: true },
  responses: { 200: { description: 'Restored', schema: EntrySchema }, 204: { description: 'Dropped' } },
  errors: [...PATH_ERRORS, ...BODY_ERRORS, ...CHANGE_ERRORS, 'UNSUPPORTED'],
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const { op, version } = await readJson(exchange, SettleConflictSchema)
    const conflicts = conflictsOf(await openVolume(exchange, rest))
    if (op === 'restore') return sendJson(exchange, 200, entryJson(path, await conflicts.restore(path, version)))
    await conflicts.drop(path, version)
    exchange.send(204, [])
  },
}
