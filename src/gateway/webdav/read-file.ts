import { ShoalError } from '#foundation/errors.ts'
import { formatPath } from '#foundation/path.ts'
import { ifRangeHolds, judgeConditions, readConditions } from '#gateway/http/conditional.ts'
import { formatHttpDate } from '#gateway/http/http-date.ts'
import { frameMultipart, type MultipartFrame } from '#gateway/http/multipart-ranges.ts'
import { type ByteRange, formatContentRange, judgeRange } from '#gateway/http/ranges.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { OpenFile } from '#volume/volume.ts'
import { contentTypeOf } from './content-type.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import type { EntryTarget } from './dav-target.ts'
import { sendFolderPage, sendVolumesPage } from './folder-page.ts'
import { statVisible } from './propfind.ts'
import { single } from './request-headers.ts'

/** GET and HEAD: a file, ranges of it, or a page that lists a collection. */
export async function readResource(request: DavRequest): Promise<void> {
  const { services, target, caller } = request
  if (target.kind !== 'entry') return sendVolumesPage({ ...request, target })
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  if (guard.lists.length > 0) await volume.locks.check([], { caller, guard })
  const attributes = await statVisible(volume, target.path)
  if (attributes?.type === 'directory') return sendFolderPage({ ...request, target }, volume)
  const file = attributes === undefined ? undefined : await volume.openFile(target.path, { follow: true })
  if (file === undefined) throw new ShoalError('NOT_FOUND', `There is nothing at "/${formatPath(target.path)}"`)
  try {
    await sendContents({ ...request, target }, file)
  } finally {
    file.close()
  }
}

async function sendContents({ exchange, services, target }: DavRequest<EntryTarget>, file: OpenFile): Promise<void> {
  const { sizeBytes, mtimeNs } = file.attributes
  const etag = entityTag(file.attributes)
  const lastModifiedMs = Number(mtimeNs / 1_000_000n)
  const headers = ['ETag', etag, 'Last-Modified', formatHttpDate(lastModifiedMs), 'Accept-Ranges', 'bytes']
  const nowMs = services.clock.nowMs()
  const conditions = readConditions(exchange.headers, nowMs)
  const verdict = conditions === undefined ? 'proceed' : judgeConditions(conditions, { etag, lastModifiedMs }, true)
  if (verdict === 'failed')
    throw new ShoalError('PRECONDITION_FAILED', `The file's entity tag is ${etag}: a condition of the request does not hold`)
  if (verdict === 'not-modified') return exchange.send(304, headers)
  // What people store is never to run as a page of the node's own origin.
  headers.push('X-Content-Type-Options', 'nosniff', 'Content-Security-Policy', "sandbox; default-src 'none'")
  const contentType = contentTypeOf(target.path.at(-1) ?? '')
  const isHead = exchange.method === 'HEAD'
  const range = isHead ? undefined : single(exchange, 'range')
  const ifRange = single(exchange, 'if-range')
  if (range !== undefined && (ifRange === undefined || ifRangeHolds(ifRange, { etag, lastModifiedMs }, nowMs))) {
    const asked = judgeRange(range, sizeBytes)
    if (asked.kind === 'unsatisfiable') {
      throw new ShoalError(
        'RANGE_NOT_SATISFIABLE',
        `The range "${range.slice(0, 80)}" lies outside of the file's ${sizeBytes} bytes`,
        { details: { sizeBytes } },
      )
    }
    if (asked.kind === 'ranges') {
      const boundary = `shoal-${services.random.bytes(16).toString('hex')}`
      return sendRanges({ exchange, headers, file }, asked.ranges, { boundary, contentType })
    }
  }
  headers.push('Content-Type', contentType)
  if (isHead || sizeBytes === 0) {
    headers.push('Content-Length', String(sizeBytes))
    return exchange.send(200, headers)
  }
  if (file.bytes !== undefined) return exchange.send(200, headers, file.bytes)
  const bytes = file.read({ offset: 0, length: sizeBytes }, exchange.signal)
  return exchange.sendStream(200, headers, { bytes, lengthBytes: sizeBytes })
}

interface Answer {
  readonly exchange: DavRequest['exchange']
  readonly headers: string[]
  readonly file: OpenFile
}

function sendRanges(
  { exchange, headers, file }: Answer,
  ranges: readonly ByteRange[],
  part: { readonly boundary: string; readonly contentType: string },
): Promise<void> {
  const { sizeBytes } = file.attributes
  const only = ranges[0] as ByteRange
  if (ranges.length === 1) {
    headers.push('Content-Type', part.contentType, 'Content-Range', formatContentRange(only, sizeBytes))
    return exchange.sendStream(206, headers, { bytes: file.read(only, exchange.signal), lengthBytes: only.length })
  }
  const frame = frameMultipart(ranges, sizeBytes, part)
  headers.push('Content-Type', frame.contentType)
  const bytes = readFramed(file, ranges, { frame, signal: exchange.signal })
  return exchange.sendStream(206, headers, { bytes, lengthBytes: frame.lengthBytes })
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
