import { createHash } from 'node:crypto'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Call, Headers, StreamedAnswer, Transport } from './transport.ts'

export interface RemoteHead {
  /** Length of what is delivered: of the range, where one was asked for. */
  readonly sizeBytes: number
  readonly etag: string
  readonly sha256: string | undefined
  /** Octal. */
  readonly mode: string | undefined
  readonly mtimeNs: bigint | undefined
}

export interface Download {
  readonly head: RemoteHead
  /** The bytes in order. Goes on after a broken connection where it had stopped, and ends only when the announced length,
   *  and the SHA-256 of a whole file where it is known, have been met. Who doesn't read it to its end calls `return`, or keeps a connection.
   *  @throws INCOMPLETE_BODY, DIGEST_MISMATCH, CONFLICT if the file changed on the way */
  readonly body: AsyncGenerator<Buffer, void, undefined>
}

export interface ByteRange {
  readonly offset: number
  /** To the end of the file if left out. */
  readonly length?: number
}

export interface DownloadOptions {
  readonly range?: ByteRange
  readonly signal?: AbortSignal | undefined
}

export interface ReadIntoOptions {
  readonly offset: number
  readonly into: Buffer
  readonly etag: string
  readonly arrived?: Call['arrived']
  readonly signal?: AbortSignal | undefined
}

/** A broken connection may be taken up again this often without a byte of progress in between. */
const MAX_RESUMES = 5
const CHANGED = 'The file changed while it was being read: read it again'

/** Starts to read the file at `path` (encoded, below `/api/v1`). */
export async function openDownload(transport: Transport, path: string, options: DownloadOptions = {}): Promise<Download> {
  const { range, signal } = options
  const headers = range === undefined ? {} : { range: rangeHeader(range.offset, range.length) }
  const first = await transport.stream({ method: 'GET', path, headers, signal })
  const head = parseHead(first.headers)
  try {
    if (range !== undefined) checkRange(first.status, first.headers, { ...range, sizeBytes: head.sizeBytes })
  } catch (error) {
    first.cancel()
    throw error
  }
  return { head, body: releasing(readOn({ transport, path, first, head, options }), first) }
}

/** Reads all of a small file into memory. */
export async function readSmall(
  transport: Transport,
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ head: RemoteHead; bytes: Buffer }> {
  const { headers, body } = await transport.send({ method: 'GET', path, signal })
  return { head: parseHead(headers), bytes: body }
}

/** Reads `into.length` bytes of the version `etag` from `offset` on into `into`, which is the call's until it settles. After a broken connection
 *  all of it is asked for again. @throws INCOMPLETE_BODY if the file ends before; CONFLICT if it is another by now */
export async function readInto(transport: Transport, path: string, options: ReadIntoOptions): Promise<RemoteHead> {
  const { offset, into: target, etag, arrived, signal } = options
  const range = { offset, length: target.length }
  const into = (status: number, headers: Headers): Buffer => {
    const head = parseHead(headers)
    checkRange(status, headers, { ...range, sizeBytes: head.sizeBytes })
    if (head.etag !== etag) throw new ShoalError('CONFLICT', CHANGED)
    return target
  }
  const headers = { range: rangeHeader(offset, target.length), 'if-match': etag }
  const answer = await unlessChanged(transport.send({ method: 'GET', path, headers, signal, into, arrived }))
  const { length } = answer.body
  // What is missing would be read as zeros.
  if (length !== target.length)
    throw new ShoalError('INCOMPLETE_BODY', `The server sent ${length} bytes where ${target.length} were asked for`)
  return parseHead(answer.headers)
}

async function unlessChanged<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (!isShoalError(cause, 'PRECONDITION_FAILED')) throw cause
    throw new ShoalError('CONFLICT', CHANGED, { cause })
  }
}

/** `return` lets go of the connection also if nobody has begun to read: the generator's own `finally` isn't reached then. */
function releasing(body: Download['body'], first: StreamedAnswer): Download['body'] {
  const end = body.return.bind(body)
  body.return = (value) => {
    first.cancel()
    return end(value)
  }
  return body
}

interface Reading {
  readonly transport: Transport
  readonly path: string
  readonly first: StreamedAnswer
  readonly head: RemoteHead
  readonly options: DownloadOptions
}

async function* readOn({ transport, path, first, head, options }: Reading): AsyncGenerator<Buffer, void, undefined> {
  const { range, signal } = options
  const start = range?.offset ?? 0
  const hash = range === undefined && head.sha256 !== undefined ? createHash('sha256') : undefined
  let answer = first
  let doneBytes = 0
  let resumesLeft = MAX_RESUMES
  try {
    for (;;) {
      try {
        for await (const chunk of answer.body) {
          doneBytes += chunk.length
          resumesLeft = MAX_RESUMES
          hash?.update(chunk)
          if (doneBytes > head.sizeBytes) throw new ShoalError('INTERNAL', 'The server sent more bytes than it had announced')
          yield chunk
        }
      } catch (error) {
        if (!isShoalError(error) || error.details['connection'] !== true || signal?.aborted) throw error
      }
      if (doneBytes === head.sizeBytes) break
      if (resumesLeft === 0) {
        throw new ShoalError(
          'INCOMPLETE_BODY',
          `The server sent ${doneBytes} of ${head.sizeBytes} bytes, and the connection kept breaking`,
        )
      }
      resumesLeft -= 1
      answer = await resume({ transport, path, etag: head.etag, from: start + doneBytes, to: start + head.sizeBytes, signal })
    }
  } finally {
    answer.cancel()
  }
  if (hash !== undefined && hash.digest('hex') !== head.sha256) {
    throw new ShoalError('DIGEST_MISMATCH', `What arrived is not what the server keeps: its SHA-256 should be ${head.sha256}`)
  }
}

interface Resumption {
  readonly transport: Transport
  readonly path: string
  readonly etag: string
  readonly from: number
  readonly to: number
  readonly signal: AbortSignal | undefined
}

async function resume({ transport, path, etag, from, to, signal }: Resumption): Promise<StreamedAnswer> {
  const headers = { range: rangeHeader(from, to - from), 'if-match': etag }
  const answer = await unlessChanged(transport.stream({ method: 'GET', path, headers, signal }))
  if (answer.status === 206 && isWithin(answer.headers, { offset: from, sizeBytes: to - from })) return answer
  answer.cancel()
  throw new ShoalError('CONFLICT', CHANGED)
}

/** @throws UNSUPPORTED, INTERNAL if an answer isn't `sizeBytes` of the range */
function checkRange(status: number, headers: Headers, range: ByteRange & { readonly sizeBytes: number }): void {
  if (status !== 206) throw new ShoalError('UNSUPPORTED', 'The server sent the whole file where a range was asked for')
  if (!isWithin(headers, range)) throw new ShoalError('INTERNAL', 'The server sent another range than was asked for')
}

/** Whether an answer has `sizeBytes` from `offset` on, and no more than `length` (RFC 9110, section 14.4). */
function isWithin(
  headers: Headers,
  { offset, length = Infinity, sizeBytes }: ByteRange & { readonly sizeBytes: number },
): boolean {
  const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(text(headers['content-range']) ?? '') ?? []
  return Number(first) === offset && Number(last) === offset + sizeBytes - 1 && sizeBytes <= length
}

function rangeHeader(offset: number, length: number | undefined): string {
  return `bytes=${offset}-${length === undefined ? '' : offset + length - 1}`
}

/** What GET and HEAD say about a file. */
export function parseHead(headers: Headers): RemoteHead {
  const mtime = headers['x-shoal-mtime']
  return {
    sizeBytes: Number(headers['content-length'] ?? 0),
    etag: text(headers['etag']) ?? '',
    sha256: text(headers['x-content-sha256']),
    mode: text(headers['x-shoal-mode']),
    mtimeNs: typeof mtime === 'string' && /^-?\d+$/.test(mtime) ? BigInt(mtime) : undefined,
  }
}

function text(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
