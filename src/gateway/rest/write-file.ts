import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { judgeConditions, readConditions } from '#gateway/http/conditional.ts'
import type { RequestConditions } from '#gateway/http/conditional.ts'
import { formatSha256Digest, readDigests, wantsSha256 } from '#gateway/http/digest-headers.ts'
import type { DigestHeaders } from '#gateway/http/digest-headers.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Caller, Conditions, Volume, WriteOptions, WriteResult } from '#volume/volume.ts'
import { SMALL_BODY_BYTES } from '#gateway/http/body-gate.ts'
import { entryText } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { callerOnce, NO_BODY, readAttributeHeaders, readQuery, single, volumeConditions, volumePath } from './read-request.ts'
import { BODY_ERRORS, CHANGE_ERRORS, PATH_ERRORS } from './route.ts'
import type { RestContext, Route } from './route.ts'
import { EntrySchema, FlagSchema } from './schemas.ts'
import { sendJsonText } from './send-json.ts'

const QuerySchema = z.strictObject({
  parents: FlagSchema.optional().meta({ description: 'false refuses to make missing directories' }),
})

export const writeFile: Route = {
  operation: 'writeFile',
  method: 'PUT',
  path: '/api/v1/volumes/{volume}/files/{path*}',
  summary: 'Stores the body as the whole contents of a file, in one step',
  isRemembered: true,
  query: QuerySchema,
  requestHeaders: [
    'If-Match',
    'If-None-Match',
    'If-Unmodified-Since',
    'Content-MD5',
    'Repr-Digest',
    'Content-Digest',
    'X-Content-SHA256',
    'Want-Repr-Digest',
    'X-Shoal-Mode',
    'X-Shoal-Uid',
    'X-Shoal-Gid',
    'X-Shoal-Mtime',
    'X-Shoal-Base',
  ],
  body: { contentType: 'application/octet-stream' },
  responses: { 201: { description: 'Created', schema: EntrySchema }, 200: { description: 'Replaced', schema: EntrySchema } },
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
    const { headers } = exchange
    refusePartialBodies(exchange)
    const createParents = exchange.query === '' || (readQuery(exchange, QuerySchema).parents ?? true)
    const digests = readDigests(headers as DigestHeaders)
    const attributes = readAttributeHeaders(exchange)
    const asked = readConditions(headers, rest.clock.nowMs())
    checkLength(exchange, rest)
    const volume = await openVolume(exchange, rest)
    const base = readBase(exchange, volume)
    const caller = callerOnce(exchange)
    const conditions = asked === undefined ? undefined : await checkEarly(volume, path, asked, caller)
    const { lengthBytes } = exchange
    const options: WriteOptions = {
      caller,
      createParents,
      ...(conditions === undefined ? {} : { conditions }),
      ...(base === undefined ? {} : { base }),
      expected: lengthBytes === undefined ? digests : { sizeBytes: lengthBytes, ...digests },
      ...(attributes === undefined ? {} : { attributes }),
      ...(wantsSha256(single(headers['want-repr-digest'])) ? { digest: true } : {}),
    }
    sendWritten(exchange, path, await storeBody(exchange, rest, { volume, path, options }))
  },
}

interface BodyToStore {
  readonly volume: Volume
  readonly path: Path
  readonly options: WriteOptions
}

async function storeBody(exchange: Exchange, rest: RestContext, { volume, path, options }: BodyToStore): Promise<WriteResult> {
  const { lengthBytes } = exchange
  if (options.caller.request?.isQuestion === true) return volume.writeFile(path, NO_BODY, options)
  if (lengthBytes !== undefined && lengthBytes <= SMALL_BODY_BYTES) {
    return volume.writeFile(path, await exchange.body().collect(), options)
  }
  await rest.uploads.enterInTurn(rest.clock, exchange.signal)
  try {
    return await volume.writeFile(path, exchange.body(rest.limits.maxBodyBytes), { ...options, signal: exchange.signal })
  } finally {
    rest.uploads.leave()
  }
}

/** Answers a write of `path`: 201 or 200 with the entry. */
export function sendWritten(exchange: Exchange, path: Path, { attributes, created }: WriteResult): void {
  const headers = ['ETag', entityTag(attributes)]
  if (attributes.sha256 !== undefined) headers.push('Repr-Digest', formatSha256Digest(attributes.sha256))
  sendJsonText(exchange, created ? 201 : 200, entryText(path, attributes), headers)
}

/** Judges conditions before the body is asked for, and gives those that the volume has to judge again when the change
 *  takes effect. A date that holds now is pinned to the entity tag of now. @throws PRECONDITION_FAILED */
export async function checkEarly(volume: Volume, path: Path, asked: RequestConditions, { request }: Caller): Promise<Conditions> {
  const found = await volume.stat(path)
  const target = found === undefined ? undefined : { etag: entityTag(found), lastModifiedMs: Number(found.mtimeNs / 1_000_000n) }
  const byDate = asked.ifMatch === undefined && asked.ifUnmodifiedSinceMs !== undefined
  if (judgeConditions(asked, target, false) === 'failed') {
    // What is there may have been made by this request: then it has an answer already, and fails otherwise.
    if (request?.isRepeat === true) return byDate ? { ifMatch: [] } : volumeConditions(asked)
    const state = target === undefined ? 'the file does not exist' : `the file's entity tag is ${target.etag}`
    throw new ShoalError('PRECONDITION_FAILED', `A condition of the request does not hold: ${state}`)
  }
  const conditions = volumeConditions(asked)
  return byDate && target !== undefined ? { ...conditions, ifMatch: [target.etag] } : conditions
}

/** The version that the writer had read. @throws INVALID_ARGUMENT, UNSUPPORTED */
function readBase(exchange: Exchange, volume: Pick<Volume, 'info'>): string | undefined {
  const base = single(exchange.headers['x-shoal-base'])
  if (base === undefined) return undefined
  if (!/^"[0-9a-f]+-[0-9a-f]+"$/.test(base))
    throw new ShoalError('INVALID_ARGUMENT', `X-Shoal-Base "${base.slice(0, 80)}" is no entity tag in its quotes`)
  if (volume.info.policy.consistency === 'eventual') return base
  throw new ShoalError(
    'UNSUPPORTED',
    'X-Shoal-Base is for eventual volumes: on a strong one If-Match says over which version a file is written',
  )
}

/** @throws TOO_LARGE before the body is asked for */
export function checkLength(exchange: Exchange, rest: RestContext): void {
  const { maxBodyBytes } = rest.limits
  if (exchange.lengthBytes !== undefined && exchange.lengthBytes > maxBodyBytes) {
    throw new ShoalError('TOO_LARGE', `The body has ${exchange.lengthBytes} bytes; ${maxBodyBytes} are allowed`, {
      details: { maxBytes: maxBodyBytes },
    })
  }
}

/** RFC 9110, section 14.5: a PUT with Content-Range must not be taken for the whole. A coded body would come back
 *  without its coding. */
export function refusePartialBodies(exchange: Exchange): void {
  const { headers } = exchange
  if (headers['content-range'] !== undefined) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      'PUT stores whole files, and Content-Range speaks of a part: use PATCH with "offset", or an upload session',
    )
  }
  const coding = headers['content-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw new ShoalError(
      'UNSUPPORTED',
      `Content-Encoding "${coding.slice(0, 40)}" is not kept with a file: send the bytes without it`,
    )
  }
}
