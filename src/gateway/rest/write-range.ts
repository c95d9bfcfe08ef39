import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { readConditions } from '#gateway/http/conditional.ts'
import { readDigests } from '#gateway/http/digest-headers.ts'
import type { AnnouncedDigests, DigestHeaders } from '#gateway/http/digest-headers.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { entryJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { callerOnce, readQuery, volumeConditions, volumePath } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { EntrySchema, OffsetSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

/** It is held in memory, since it becomes visible in one step. */
export const MAX_RANGE_BYTES = 64 * 1024 * 1024

/** Of a question, whose answer needs no bytes. */
const NOTHING = Buffer.alloc(0)

const QuerySchema = z.strictObject({
  offset: OffsetSchema.meta({ description: 'Where the body goes, in bytes; a gap before it becomes a hole' }),
})

export const writeRange: Route = {
  operation: 'writeRange',
  method: 'PATCH',
  path: '/api/v1/volumes/{volume}/files/{path*}',
  summary: 'Writes the body into an existing file at an offset',
  isRemembered: true,
  query: QuerySchema,
  requestHeaders: ['If-Match', 'Content-MD5', 'Content-Digest', 'X-Content-SHA256'],
  body: { contentType: 'application/octet-stream' },
  responses: { 200: { description: 'Written', schema: EntrySchema } },
  errors: [
    ...PATH_ERRORS,
    ...BODY_ERRORS,
    ...CHANGE_ERRORS,
    'IS_A_DIRECTORY',
    'PRECONDITION_FAILED',
    'DIGEST_MISMATCH',
    'UNSUPPORTED',
  ],
  async handle(exchange, rest) {
    const path = volumePath(exchange)
    const { offset } = readQuery(exchange, QuerySchema)
    const { headers } = exchange
    const asked = readConditions(headers, rest.clock.nowMs())
    if (headers['if-none-match'] !== undefined || headers['if-unmodified-since'] !== undefined)
      throw new ShoalError('UNSUPPORTED', 'A write at an offset takes no condition but If-Match: the file is there')
    const conditions = asked === undefined ? undefined : volumeConditions(asked)
    const digests = readDigests(headers as DigestHeaders)
    const volume = await openVolume(exchange, rest)
    const caller = callerOnce(exchange)
    if (caller.request?.isQuestion === true)
      return sendRange(exchange, path, await volume.writeAt(path, { offset, bytes: NOTHING }, caller))
    await rest.uploads.enterInTurn(rest.clock, exchange.signal)
    try {
      const bytes = await exchange.body(MAX_RANGE_BYTES).collect()
      checkDigests(bytes, digests)
      const write = { offset, bytes, ...(conditions === undefined ? {} : { conditions }) }
      sendRange(exchange, path, await volume.writeAt(path, write, caller))
    } finally {
      rest.uploads.leave()
    }
  },
}

function sendRange(exchange: Exchange, path: Path, attributes: Attributes): void {
  sendJson(exchange, 200, entryJson(path, attributes), ['ETag', entityTag(attributes)])
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
