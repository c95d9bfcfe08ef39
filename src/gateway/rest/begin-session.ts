import { callerOf, readJson } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'
import { fileLocksOf } from './session-locks.ts'
import { BeginSessionSchema, SessionSchema } from './session-schemas.ts'

export const beginSession: Route = {
  operation: 'beginSession',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/sessions',
  summary: 'Begins the session of a mount, which holds locks for as long as it is heard of',
  body: { contentType: 'application/json', schema: BeginSessionSchema },
  responses: { 201: { description: 'The session', schema: SessionSchema } },
  errors: ['VOLUME_NOT_FOUND', 'UNSUPPORTED', ...BODY_ERRORS, ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const settings = await readJson(exchange, BeginSessionSchema)
    const locks = await fileLocksOf(exchange, rest)
    sendJson(exchange, 201, await locks.begin({ ...settings, caller: callerOf(exchange) }))
  },
}
