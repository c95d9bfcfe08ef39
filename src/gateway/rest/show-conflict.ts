import { conflictJson, conflictsOf } from './conflict-json.ts'
import { notFound } from './read-file.ts'
import { openVolume } from './open-volume.ts'
import { volumePath } from './read-request.ts'
import { PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { ConflictSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const showConflict: Route = {
  operation: 'showConflict',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/conflicts/{path*}',
  summary: 'Shows all versions that an eventual volume has of a path, removals too',
  responses: { 200: { description: 'The versions', schema: ConflictSchema } },
  errors: [...PATH_ERRORS, 'UNSUPPORTED'],
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const versions = await conflictsOf(await openVolume(exchange, rest)).show(path)
    if (versions.length === 0) throw notFound(path)
    sendJson(exchange, 200, conflictJson({ path, versions }))
  },
}
