import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { formatPath } from '#foundation/path.ts'
import { ifRangeHolds, judgeConditions, readConditions } from '#gateway/http/conditional.ts'
import { formatSha256Digest, wantsSha256 } from '#gateway/http/digest-headers.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { formatHttpDate } from '#gateway/http/http-date.ts'
import { frameMultipart } from '#gateway/http/multipart-ranges.ts'
import type { MultipartFrame } from '#gateway/http/multipart-ranges.ts'
import { formatContentRange, judgeRange } from '#gateway/http/ranges.ts'
import type { ByteRange } from '#gateway/http/ranges.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { OpenFile } from '#volume/volume.ts'
import { SMALL_BODY_BYTES } from '#gateway/http/body-gate.ts'
import { locationsJson } from './entry-json.ts'
import { openVolume } from './open-volume.ts'
import { readQuery, single, volumePath } from './read-request.ts'
import { PATH_ERRORS } from './route.ts'
import type { RestContext, Route } from './route.ts'
import { FlagSchema, LocationsSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

const CONTENT_TYPE = 'application/octet-stream'
const QuerySchema = z.strictObject({
  consistency: z.enum(['local', 'quorum', 'all', 'stale']).optional().meta({
    description:
      'Of an eventual volume: `quorum` and `all` read the newest that more than half of the nodes, or all, have. Of a strong one: `stale` is satisfied with what was so up to 10 s ago',
  }),
  locations: FlagSchema.optional().meta({ description: 'Answers where the bytes are kept, instead of the bytes' }),
})

const SHARED = {
  path: '/api/v1/volumes/{volume}/files/{path*}',
  query: QuerySchema,
  requestHeaders: [
    'If-Match',
    'If-None-Match',
    'If-Modified-Since',
    'If-Unmodified-Since',
    'If-Range',
    'Range',
    'Want-Repr-Digest',
    'X-Shoal-Consistency',
  ],
  errors: [
    ...PATH_ERRORS,
    'IS_A_DIRECTORY',
    'NOT_PERMITTED',
    'TOO_MANY_SYMLINKS',
    'PRECONDITION_FAILED',
    'RANGE_NOT_SATISFIABLE',
    'CORRUPT',
    'CHUNK_MISSING',
  ],
  handle: serveFile,
} as const satisfies Partial<Route>

export const readFile: Route = {
  ...SHARED,
  operation: 'readFile',
  method: 'GET',
  summary: 'Reads a file, or ranges of it',
  responses: {
    200: {
      description: 'The contents; with `locations` where they are kept, as JSON',
      contentType: CONTENT_TYPE,
      schema: LocationsSchema,
    },
    206: { description: 'One range; several as multipart/byteranges', contentType: CONTENT_TYPE },
    304: { description: 'Not modified' },
  },
}

export const headFile: Route = {
  ...SHARED,
  operation: 'headFile',
  method: 'HEAD',
  summary: 'Answers what a reading would, without the contents',
  responses: { 200: { description: 'The headers' }, 304: { description: 'Not modified' } },
}

async function serveFile(exchange: Exchange, rest: RestContext): Promise<void> {
  const path = volumePath(exchange)
  const volume = await openVolume(exchange, rest)
  const query = exchange.query === '' ? {} : readQuery(exchange, QuerySchema)
  const { consistency = 'local' } = query
  if (consistency === 'quorum' || consistency === 'all') await volume.consult?.(path, consistency, exchange.signal)
  if (query.locations === true) {
    const locations = await volume.locate(path)
    if (locations === undefined) throw notFound(path)
    sendJson(exchange, 200, locationsJson(path, locations))
    return
  }
  const file = await volume.openFile(path, FOLLOW)
  if (file === undefined) throw notFound(path)
  try {
    await serveContents(exchange, file, rest)
  } finally {
    file.close()
  }
}

const FOLLOW = { follow: true }

async function serveContents(exchange: Exchange, file: OpenFile, rest: RestContext): Promise<void> {
  const { headers: asked } = exchange
  const { attributes } = file
  const { sizeBytes } = attributes
  const etag = entityTag(attributes)
  const lastModifiedMs = Number(attributes.mtimeNs / 1_000_000n)
  const headers = ['ETag', etag, 'Last-Modified', formatHttpDate(lastModifiedMs), 'Accept-Ranges', 'bytes']
  const conditions = readConditions(asked, rest.clock.nowMs())
  if (conditions !== undefined) {
    const verdict = judgeConditions(conditions, { etag, lastModifiedMs }, true)
    if (verdict === 'failed')
      throw new ShoalError('PRECONDITION_FAILED', `The file's entity tag is ${etag}: a condition of the request does not hold`)
    if (verdict === 'not-modified') return exchange.send(304, headers)
  }
  await describeContents(headers, exchange, file)
  const isHead = exchange.method === 'HEAD'
  const range = isHead ? undefined : single(asked.range)
  const ifRange = single(asked['if-range'])
  if (range !== undefined && (ifRange === undefined || ifRangeHolds(ifRange, { etag, lastModifiedMs }, rest.clock.nowMs()))) {
    const verdict = judgeRange(range, sizeBytes)
    if (verdict.kind === 'unsatisfiable') {
      throw new ShoalError(
        'RANGE_NOT_SATISFIABLE',
        `The range "${range.slice(0, 80)}" lies outside of the file's ${sizeBytes} bytes`,
        { details: { sizeBytes } },
      )
    }
    if (verdict.kind === 'ranges') return serveRanges(exchange, headers, { file, ranges: verdict.ranges, rest })
  }
  headers.push('Content-Type', CONTENT_TYPE)
  if (isHead || sizeBytes === 0) {
    headers.push('Content-Length', String(sizeBytes))
    return exchange.send(200, headers)
  }
  if (file.bytes !== undefined) return exchange.send(200, headers, file.bytes)
  // A signal costs more than a small file's bytes; what is read at once needs none.
  const signal = sizeBytes > SMALL_BODY_BYTES ? exchange.signal : undefined
  return exchange.sendStream(200, headers, { bytes: file.read({ offset: 0, length: sizeBytes }, signal), lengthBytes: sizeBytes })
}

async function describeContents(headers: string[], exchange: Exchange, file: OpenFile): Promise<void> {
  const { attributes } = file
  const sha256 =
    attributes.sha256 ??
    (wantsSha256(single(exchange.headers['want-repr-digest'])) ? await digestOf(file, exchange.signal) : undefined)
  if (sha256 !== undefined) headers.push('Repr-Digest', formatSha256Digest(sha256), 'X-Content-SHA256', sha256.toString('hex'))
  headers.push(
    'X-Shoal-Mode',
    attributes.mode.toString(8).padStart(4, '0'),
    'X-Shoal-Uid',
    String(attributes.uid),
    'X-Shoal-Gid',
    String(attributes.gid),
    'X-Shoal-Mtime',
    String(attributes.mtimeNs),
    'X-Shoal-Inode',
    String(attributes.inode),
    // What people store is never to run as a page of the node's own origin.
    'X-Content-Type-Options',
    'nosniff',
  )
}

async function digestOf(file: { readonly attributes: Attributes; read: OpenFile['read'] }, signal: AbortSignal): Promise<Buffer> {
  const hash = createHash('sha256')
  for await (const piece of file.read({ offset: 0, length: file.attributes.sizeBytes }, signal)) hash.update(piece)
  return hash.digest()
}

interface RangesToServe {
  readonly file: OpenFile
  readonly ranges: readonly ByteRange[]
  readonly rest: RestContext
}

async function serveRanges(exchange: Exchange, headers: string[], { file, ranges, rest }: RangesToServe): Promise<void> {
  const { sizeBytes } = file.attributes
  const only = ranges[0] as ByteRange
  if (ranges.length === 1) {
    headers.push('Content-Type', CONTENT_TYPE, 'Content-Range', formatContentRange(only, sizeBytes))
    return exchange.sendStream(206, headers, { bytes: file.read(only, exchange.signal), lengthBytes: only.length })
  }
  const boundary = `shoal-${rest.random.bytes(16).toString('hex')}`
  const frame = frameMultipart(ranges, sizeBytes, { boundary, contentType: CONTENT_TYPE })
  headers.push('Content-Type', frame.contentType)
  return exchange.sendStream(206, headers, {
    bytes: readFramed(file, ranges, { frame, signal: exchange.signal }),
    lengthBytes: frame.lengthBytes,
  })
}

async function* readFramed(
  file: OpenFile,
  ranges: readonly ByteRange[],
  { frame, signal }: { readonly frame: MultipartFrame; readonly signal: AbortSignal },
): AsyncGenerator<Buffer> {
  for (const [index, range] of ranges.entries()) {
    yield frame.heads[index] as Buffer
    yield* file.read(range, signal)
  }
  yield frame.tail
}

export function notFound(path: Path): ShoalError {
  return new ShoalError('NOT_FOUND', `There is no "${formatPath(path)}" in the volume`)
}
