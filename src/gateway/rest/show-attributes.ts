import { z } from 'zod'
import type { Path } from '#foundation/path.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Volume } from '#volume/volume.ts'
import { entryJson, linkTarget } from './entry-json.ts'
import { notFound } from './read-file.ts'
import { openVolume } from './open-volume.ts'
import { readQuery, volumePath } from './read-request.ts'
import { PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { EntrySchema, FlagSchema, StaleSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

const QuerySchema = z.strictObject({
  xattrs: FlagSchema.optional().meta({ description: 'Adds the extended attributes' }),
  consistency: StaleSchema,
})

export const showAttributes: Route = {
  operation: 'showAttributes',
  method: 'GET',
  path: '/api/v1/volumes/{volume}/attributes/{path*}',
  summary: 'Shows an entry; of a symbolic link the link itself',
  query: QuerySchema,
  responses: { 200: { description: 'The entry', schema: EntrySchema } },
  errors: PATH_ERRORS,
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const { xattrs } = readQuery(exchange, QuerySchema)
    const volume = await openVolume(exchange, rest)
    const attributes = await volume.stat(path)
    if (attributes === undefined) throw notFound(path)
    const entry = entryJson(path, attributes)
    if (attributes.type === 'symlink') entry['target'] = linkTarget(await volume.readSymlink(path))
    if (xattrs === true) entry['xattrs'] = await readXattrs(volume, path)
    sendJson(exchange, 200, entry, ['ETag', entityTag(attributes)])
  },
}

async function readXattrs(volume: Volume, path: Path): Promise<Record<string, string>> {
  const values: Record<string, string> = {}
  for (const name of await volume.listXattrs(path)) {
    const value = await volume.readXattr(path, name)
    if (value !== undefined) values[name] = value.toString('base64')
  }
  return values
}
