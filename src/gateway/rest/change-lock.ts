import type { InodeId } from '#foundation/ids.ts'
import { callerOf, readJson } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'
import { answerJson, fileLocksOf, sessionId } from './session-locks.ts'
import { LockAnswerSchema, LockRequestSchema } from './session-schemas.ts'

export const changeLock: Route = {
  operation: 'changeLock',
  method: 'POST',
  path: '/api/v1/volumes/{volume}/sessions/{session}/locks',
  summary: 'Locks or unlocks a range of a file, as fcntl(2) and flock(2) do',
  body: { contentType: 'application/json', schema: LockRequestSchema },
  responses: {
    200: { description: 'Whether it is done, who is in the way, or that one has to ask again', schema: LockAnswerSchema },
  },
  errors: ['VOLUME_NOT_FOUND', 'UNSUPPORTED', 'PRECONDITION_FAILED', 'NOT_FOUND', ...BODY_ERRORS, ...CHANGE_ERRORS],
  async handle(exchange, rest) {
    const session = sessionId(exchange)
    const { ticket, waitMs, inode, ...asked } = await readJson(exchange, LockRequestSchema)
    const locks = await fileLocksOf(exchange, rest)
    const signal = AbortSignal.any([exchange.signal, rest.stopping])
    const wait = ticket === undefined || asked.kind === 'unlock' ? undefined : { ticket, waitMs: waitMs ?? 0, signal }
    const answer = await locks.change({ ...asked, inode: inode as InodeId, session }, callerOf(exchange), wait)
    sendJson(exchange, 200, answerJson(answer, session))
  },
}
