import { callerOf } from './read-request.ts'
import type { Route } from './route.ts'
import { fileLocksOf, sessionId } from './session-locks.ts'

export const renewSession: Route = {
  operation: 'renewSession',
  method: 'PUT',
  path: '/api/v1/volumes/{volume}/sessions/{session}',
  summary: 'Begins the lease of a session anew',
  responses: { 204: { description: 'It lasts for another lease' } },
  errors: ['VOLUME_NOT_FOUND', 'UNSUPPORTED', 'PRECONDITION_FAILED'],
  async handle(exchange, rest) {
    const locks = await fileLocksOf(exchange, rest)
    await locks.renew(sessionId(exchange), callerOf(exchange))
    exchange.send(204, [])
  },
}
