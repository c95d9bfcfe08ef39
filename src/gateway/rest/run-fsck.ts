import { readJson } from './read-request.ts'
import { problemLine } from './problem.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { FsckSchema } from './schemas.ts'

export const runFsck: Route = {
  operation: 'runFsck',
  method: 'POST',
  path: '/api/v1/fsck',
  summary: 'Checks what the node keeps, and mends it where asked; a line for each finding',
  body: { contentType: 'application/json', schema: FsckSchema },
  responses: { 200: { description: 'Lines of JSON; the last is the result', contentType: 'application/x-ndjson' } },
  errors: [...BODY_ERRORS, 'CONFLICT'],
  async handle(exchange, rest) {
    const { repair, verify } = await readJson(exchange, FsckSchema)
    const lines = rest.fsck({ repair: repair ?? false, verify: verify ?? false, signal: exchange.signal })[Symbol.asyncIterator]()
    try {
      // The first line decides whether there is a report or an error.
      let line = await lines.next()
      exchange.startStream(200, ['Content-Type', 'application/x-ndjson'])
      while (line.done !== true) {
        if (!exchange.write(`${JSON.stringify(line.value)}\n`)) await exchange.drained()
        line = await lines.next()
      }
    } catch (error) {
      if (!exchange.response.headersSent || exchange.aborted) throw error
      rest.log.error('fsck failed', { requestId: exchange.id, error })
      exchange.write(problemLine(error, exchange.id))
    } finally {
      await lines.return?.()
    }
    exchange.end()
  },
}
