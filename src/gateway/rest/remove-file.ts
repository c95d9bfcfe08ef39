import { z } from 'zod'
import { readConditions } from '#gateway/http/conditional.ts'
import { openVolume } from './open-volume.ts'
import { callerOnce, readQuery, volumePath } from './read-request.ts'
import { CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { FlagSchema } from './schemas.ts'
import { checkEarly } from './write-file.ts'

const QuerySchema = z.strictObject({
  recursive: FlagSchema.optional().meta({ description: 'Removes a directory with all that is in it' }),
})

export const removeFile: Route = {
  operation: 'removeFile',
  method: 'DELETE',
  path: '/api/v1/volumes/{volume}/files/{path*}',
  summary: 'Removes a file, a link, or an empty directory',
  isRemembered: true,
  query: QuerySchema,
  requestHeaders: ['If-Match', 'If-None-Match', 'If-Unmodified-Since'],
  responses: { 204: { description: 'Removed' } },
  errors: [...PATH_ERRORS, ...CHANGE_ERRORS, 'DIRECTORY_NOT_EMPTY', 'PRECONDITION_FAILED'],
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const { recursive } = readQuery(exchange, QuerySchema)
    const asked = readConditions(exchange.headers, rest.clock.nowMs())
    const volume = await openVolume(exchange, rest)
    const caller = callerOnce(exchange)
    const conditions = asked === undefined ? undefined : await checkEarly(volume, path, asked, caller)
    await volume.remove(path, {
      caller,
      ...(recursive === true ? { recursive } : {}),
      ...(conditions === undefined ? {} : { conditions }),
    })
    exchange.send(204, [])
  },
}
