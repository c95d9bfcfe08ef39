import { openVolume } from './open-volume.ts'
import { volumePath, callerOnce, readJson } from './read-request.ts'
import { entityTag } from '#metadata/attributes.ts'
import { applyOperation } from './entry-operations.ts'
import { entryJson } from './entry-json.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { EntrySchema, OperationSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const changeEntry: Route = {
  operation: 'changeEntry',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/entries/{path*}',
  summary: 'Makes a directory or another entry, moves, copies, links, changes attributes: as `op` says',
  isRemembered: true,
  body: { contentType: 'application/json', schema: OperationSchema, required: true },
  responses: { 201: { description: 'Made', schema: EntrySchema }, 200: { description: 'Changed', schema: EntrySchema } },
  errors: [
    ...PATH_ERRORS,
    ...BODY_ERRORS,
    ...CHANGE_ERRORS,
    'ALREADY_EXISTS',
    'IS_A_DIRECTORY',
    'DIRECTORY_NOT_EMPTY',
    'MOVE_INTO_ITSELF',
    'TOO_MANY_LINKS',
    'XATTR_NOT_FOUND',
    'UNSUPPORTED',
    'CORRUPT',
    'CHUNK_MISSING',
  ],
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const volume = await openVolume(exchange, rest)
    const operation = await readJson(exchange, OperationSchema)
    const outcome = await applyOperation(volume, operation, { path, caller: callerOnce(exchange) })
    sendJson(exchange, outcome.status, entryJson(outcome.path, outcome.attributes), ['ETag', entityTag(outcome.attributes)])
  },
}
