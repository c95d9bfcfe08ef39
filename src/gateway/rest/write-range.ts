import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import { readDigests } from '#gateway/http/digest-headers.ts'
import type { AnnouncedDigests, DigestHeaders } from '#gateway/http/digest-headers.ts'
import { entityTag } from '#metadata/attributes.ts'
import { entryJson } from './entry-json.ts'
import { callerOf, readQuery, volumeName, volumePath } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { EntrySchema, OffsetSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

/** It is held in memory, since it becomes visible in one step. */
export const MAX_RANGE_BYTES = 64 * 1024 * 1024

const QuerySchema = z.strictObject({
  offset: OffsetSchema.meta({ description: 'Where the body goes, in bytes; a gap before it becomes a hole' }),
})

export const writeRange: Route = {
  operation: 'writeRange',
  method: 'PATCH',
  path: '/api/v1/volumes/{volume}/files/{path*}',
  summary: 'Writes the body into an existing file at an offset',
  query: QuerySchema,
  requestHeaders: ['Content-MD5', 'Content-Digest', 'X-Content-SHA256'],
  body: { contentType: 'application/octet-stream' },
  responses: { 200: { description: 'Written', schema: EntrySchema } },
  errors: [...PATH_ERRORS, ...BODY_ERRORS, ...CHANGE_ERRORS, 'IS_A_DIRECTORY', 'DIGEST_MISMATCH', 'UNSUPPORTED'],
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const { offset } = readQuery(exchange, QuerySchema)
    const { headers } = exchange
    if (
      headers['if-match'] !== undefined ||
      headers['if-none-match'] !== undefined ||
      headers['if-unmodified-since'] !== undefined
    ) {
      throw new ShoalError(
        'UNSUPPORTED',
        'A write at an offset takes no conditions: nobody could say that they still hold when it takes effect',
      )
    }
    const digests = readDigests(headers as DigestHeaders)
    const volume = await rest.volumes.open(volumeName(exchange))
    await rest.uploads.enterInTurn(rest.clock, exchange.signal)
    try {
      const bytes = await exchange.body(MAX_RANGE_BYTES).collect()
      checkDigests(bytes, digests)
      const attributes = await volume.writeAt(path, { offset, bytes }, callerOf(exchange))
      sendJson(exchange, 200, entryJson(path, attributes), ['ETag', entityTag(attributes)])
    } finally {
      rest.uploads.leave()
    }
  },
}

function checkDigests(bytes: Buffer, announced: AnnouncedDigests): void {
  for (const [algorithm, expected] of [
    ['sha256', announced.sha256],
    ['md5', announced.md5],
  ] as const) {
    if (expected === undefined) continue
    const actual = createHash(algorithm).update(bytes).digest()
    if (!actual.equals(expected)) {
      throw new ShoalError(
        'DIGEST_MISMATCH',
        `The body has the ${algorithm} ${actual.toString('hex')}, not the announced ${expected.toString('hex')}: nothing was written`,
      )
    }
  }
}
