import type { InodeId } from '#foundation/ids.ts'
import { callerOf, readJson } from './read-request.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'
import { fileLocksOf, sessionId } from './session-locks.ts'
import { CancelAnswerSchema, CancelLockSchema } from './session-schemas.ts'

export const cancelLock: Route = {
  operation: 'cancelLock',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/sessions/{session}/locks/cancel',
  summary: 'Waits for a lock no longer',
  body: { contentType: 'application/json', schema: CancelLockSchema },
  responses: { 200: { description: 'Whether the session had got the lock before', schema: CancelAnswerSchema } },
  errors: ['VOLUME_NOT_FOUND', 'UNSUPPORTED', 'PRECONDITION_FAILED', ...BODY_ERRORS],
  async handle(exchange, rest) {
    const session = sessionId(exchange)
    const { ticket, inode, ...asked } = await readJson(exchange, CancelLockSchema)
    const locks = await fileLocksOf(exchange, rest)
    const isHeld = await locks.cancel({ ...asked, inode: inode as InodeId, session, pid: 0 }, ticket, callerOf(exchange))
    sendJson(exchange, 200, { isHeld })
  },
}
