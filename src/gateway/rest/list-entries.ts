import { z } from 'zod'
import { entryJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { readQuery, volumePath } from './read-request.ts'
import { PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { FlagSchema, LimitSchema, ListingSchema, StaleSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

const QuerySchema = z.strictObject({
  limit: LimitSchema.optional().meta({ description: 'Entries of a page, 1 to 10,000; 1,000 unless given' }),
  cursor: z.string().min(1).optional().meta({ description: '`next` of the page before' }),
  recursive: FlagSchema.optional().meta({ description: 'Depth first, in the byte order of the full paths' }),
  consistency: StaleSchema,
})

export const listEntries: Route = {
  operation: 'listEntries',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/entries/{path*}',
  summary: 'Lists a directory page by page',
  query: QuerySchema,
  responses: { 200: { description: 'A page', schema: ListingSchema } },
  errors: PATH_ERRORS,
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const { limit, cursor, recursive } = readQuery(exchange, QuerySchema)
    const volume = await openVolume(exchange, rest)
    const listing = await volume.list(path, {
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(recursive === undefined ? {} : { recursive }),
    })
    sendJson(exchange, 200, {
      entries: listing.entries.map((entry) => entryJson([...path, ...entry.path], entry.attributes)),
      ...(listing.next === undefined ? {} : { next: listing.next }),
    })
  },
}
