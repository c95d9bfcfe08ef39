import { z } from 'zod'
import { ChangeLines } from './change-lines.ts'
import { readQuery } from './read-request.ts'
import type { Route } from './route.ts'
import { ChangeSchema, FlagSchema } from './schemas.ts'
import { volumeNotFound } from './show-volume.ts'

const QuerySchema = z.strictObject({
  cursor: z.string().min(1).optional().meta({ description: 'Of the last change seen; from now on without it' }),
  volume: z.string().min(1).optional().meta({ description: 'Changes of this volume only' }),
  follow: FlagSchema.optional().meta({ description: 'false ends when caught up' }),
})

export const followChanges: Route = {
  operation: 'followChanges',
  method: 'GET',
  path: '/api/v1/changes',
  summary: 'Follows what changes, as it happens; of an eventual volume by its name, as the node that is asked hears of it',
  query: QuerySchema,
  responses: {
    200: {
      description: 'Lines of JSON, or server-sent events where Accept asks for them',
      contentType: 'application/x-ndjson',
      schema: ChangeSchema,
    },
  },
  errors: ['VOLUME_NOT_FOUND', 'CURSOR_TOO_OLD'],
  async handle(exchange, rest) {
    const { cursor, volume, follow } = readQuery(exchange, QuerySchema)
    if (volume !== undefined && (await rest.volumes.find(volume)) === undefined) throw volumeNotFound(volume)
    const from = cursor ?? (await rest.volumes.currentCursor(volume))
    const signal = AbortSignal.any([exchange.signal, rest.stopping])
    const changes = rest.volumes.changes({
      cursor: from,
      follow: follow ?? true,
      signal,
      ...(volume === undefined ? {} : { volume }),
    })
    const stream = new ChangeLines(exchange, rest, { from, changes })
    try {
      await stream.run()
    } finally {
      // A feed that waits for the next change ends by the signal; nobody needs to see how.
      void Promise.resolve(changes.return?.()).catch(() => undefined)
    }
  },
}
