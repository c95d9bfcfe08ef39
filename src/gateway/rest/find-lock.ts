import type { InodeId } from '#foundation/ids.ts'
import { callerOf, readQuery } from './read-request.ts'
import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'
import { fileLocksOf, lockJson, sessionId } from './session-locks.ts'
import { FoundLockSchema, LockQuerySchema } from './session-schemas.ts'

export const findLock: Route = {
  operation: 'findLock',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/sessions/{session}/locks',
  summary: 'Looks for a lock in the way of another one',
  query: LockQuerySchema,
  responses: { 200: { description: 'The first one, or null', schema: FoundLockSchema } },
  errors: ['VOLUME_NOT_FOUND', 'UNSUPPORTED', 'PRECONDITION_FAILED'],
  async handle(exchange, rest) {
    const session = sessionId(exchange)
    const { inode, ...asked } = readQuery(exchange, LockQuerySchema)
    const locks = await fileLocksOf(exchange, rest)
    const lock = await locks.find({ ...asked, inode: inode as InodeId, session }, callerOf(exchange))
    sendJson(exchange, 200, { lock: lock === undefined ? null : lockJson(lock, session) })
  },
}
