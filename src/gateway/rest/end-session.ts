import { callerOf } from './read-request.ts'
import type { Route } from './route.ts'
import { fileLocksOf, sessionId } from './session-locks.ts'

export const endSession: Route = {
  operation: 'endSession',
  method: 'DELETE',
  path: '/api/v1/volumes/{volume}/sessions/{session}',
  summary: 'Ends a session, and gives up its locks',
  responses: { 204: { description: 'It has ended, now or before' } },
  errors: ['VOLUME_NOT_FOUND', 'UNSUPPORTED', 'PRECONDITION_FAILED'],
  async handle(exchange, rest) {
    const locks = await fileLocksOf(exchange, rest)
    await locks.end(sessionId(exchange), callerOf(exchange))
    exchange.send(204, [])
  },
}
