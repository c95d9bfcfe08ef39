import { z } from 'zod'
import { uploadJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { readQuery } from './read-request.ts'
import type { Route } from './route.ts'
import { LimitSchema, UploadListSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

const QuerySchema = z.strictObject({ limit: LimitSchema.optional(), cursor: z.string().min(1).optional() })

export const listUploads: Route = {
  operation: 'listUploads',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/uploads',
  summary: 'Lists the uploads that are under way, page by page',
  query: QuerySchema,
  responses: { 200: { description: 'A page', schema: UploadListSchema } },
  errors: ['INVALID_PATH', 'VOLUME_NOT_FOUND'],
  async handle(exchange, rest) {
    const { limit, cursor } = readQuery(exchange, QuerySchema)
    const volume = await openVolume(exchange, rest)
    const page = await volume.listUploads({
      ...(limit === undefined ? {} : { limit }),
      ...(cursor === undefined ? {} : { cursor }),
    })
    sendJson(exchange, 200, { uploads: page.uploads.map(uploadJson), ...(page.next === undefined ? {} : { next: page.next }) })
  },
}
