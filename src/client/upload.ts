import { createHash } from 'node:crypto'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { checkStored, hashedBody } from './hashed-source.ts'
import type { ByteSource } from './hashed-source.ts'
import type { RemoteEntry, RemotePart, RemoteUpload } from './wire.ts'

/** docs/rest.md: parts are numbered from 1 to 10,000. */
const MAX_PARTS = 10_000
/** Eight chunks of the default length: large enough that the cost of a call doesn't count, small enough that a broken
 *  upload loses little. */
const DEFAULT_PART_BYTES = 64 * 1024 * 1024
const DEFAULT_PARALLEL_PARTS = 4

export interface WriteSettings {
  /** Octal. */
  readonly mode?: string
  /** RFC 3339. */
  readonly mtime?: string
  /** Entity tags, or `*`. */
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  /** False refuses to make missing directories. */
  readonly parents?: boolean
  readonly signal?: AbortSignal | undefined
}

export interface UploadSettings extends WriteSettings {
  readonly partSizeBytes?: number
  readonly parallelParts?: number
  /** A session of an earlier run with the same part length: parts it has, and whose SHA-256 is still that of the source, are kept. */
  readonly resumeId?: string | undefined
  /** Told before the first byte is sent: what a later run needs to go on. */
  readonly onSession?: (session: { readonly id: string; readonly partSizeBytes: number }) => void
  readonly onBytes?: (delta: number) => void
}

/** The calls of an upload session. */
export interface UploadCalls {
  begin(settings: WriteSettings): Promise<RemoteUpload>
  find(id: string): Promise<RemoteUpload>
  writePart(
    id: string,
    part: { number: number; sizeBytes: number; open: () => AsyncIterable<Uint8Array>; signal: AbortSignal | undefined },
  ): Promise<RemotePart>
  /** A part whose bytes lie in files that were handed over to a node of this machine. @throws NOT_FOUND: it hasn't got them */
  takePart(id: string, part: { readonly number: number; readonly pieces: readonly HandedPiece[] }): Promise<RemotePart>
  commit(id: string, sizeBytes: number): Promise<RemoteEntry>
}

/** Bytes of a file that was handed over under that name. */
export interface HandedPiece {
  readonly file: string
  readonly offset: number
  readonly length: number
}

/** The length of a part, so that `sizeBytes` fits into as many as are allowed. */
export function partSizeFor(sizeBytes: number, wishedBytes = DEFAULT_PART_BYTES): number {
  const factor = Math.ceil(sizeBytes / MAX_PARTS / wishedBytes)
  return wishedBytes * Math.max(1, factor)
}

/** Sends `source` in parallel parts and publishes it in one step. After a failure the session stays, to be resumed. */
export async function uploadInParts(calls: UploadCalls, source: ByteSource, settings: UploadSettings): Promise<RemoteEntry> {
  const partSizeBytes = settings.partSizeBytes ?? partSizeFor(source.sizeBytes)
  const session = await openSession(calls, settings)
  settings.onSession?.({ id: session.id, partSizeBytes })
  const onBytes = settings.onBytes ?? (() => undefined)
  const stored = new Map(session.parts.map((part) => [part.number, part]))
  const digests = new Map<number, string>()
  const count = Math.max(1, Math.ceil(source.sizeBytes / partSizeBytes))
  if (count > MAX_PARTS)
    throw new ShoalError('TOO_LARGE', `${count} parts are needed, ${MAX_PARTS} are allowed: take larger parts`)

  const { signal } = settings
  let next = 1
  let failed = false
  const work = async () => {
    // What is on its way when another part fails is finished: a later run need not send it again.
    while (next <= count && !failed && signal?.aborted !== true) {
      const number = next
      next += 1
      const offset = (number - 1) * partSizeBytes
      const range = { offset, length: Math.min(partSizeBytes, source.sizeBytes - offset) }
      const present = stored.get(number)
      if (present !== undefined && (await isSame(source, range, present))) {
        digests.set(number, present.sha256)
        onBytes(range.length)
        continue
      }
      const body = hashedBody(source, range, onBytes)
      const part = await calls.writePart(session.id, { number, sizeBytes: range.length, open: body.open, signal })
      checkStored({ what: `Part ${number}`, sent: body.digest(), stored: part.sha256 })
      digests.set(number, part.sha256)
    }
  }
  const workers = Array.from({ length: Math.min(count, settings.parallelParts ?? DEFAULT_PARALLEL_PARTS) }, async () => {
    try {
      await work()
    } catch (error) {
      failed = true
      throw error
    }
  })
  await settleAll(workers)
  if (signal?.aborted) throw new ShoalError('CANCELLED', 'The upload was cancelled; it can be resumed')
  if (settings.resumeId !== undefined) checkAlone(await calls.find(session.id), digests)
  return calls.commit(session.id, source.sizeBytes)
}

/** A session that is taken up may still be somebody else's as well. */
function checkAlone({ id, parts }: RemoteUpload, digests: ReadonlyMap<number, string>): void {
  if (parts.length === digests.size && parts.every(({ number, sha256 }) => digests.get(number) === sha256)) return
  throw new ShoalError('CONFLICT', `Others send parts to upload "${id}" as well: nothing was published`, {
    details: { upload: id },
  })
}

async function openSession(calls: UploadCalls, settings: UploadSettings): Promise<RemoteUpload> {
  if (settings.resumeId !== undefined) {
    try {
      return await calls.find(settings.resumeId)
    } catch (error) {
      // Committed, aborted or expired since: begin anew.
      if (!isShoalError(error, 'UPLOAD_NOT_FOUND')) throw error
    }
  }
  return calls.begin(settings)
}

async function isSame(source: ByteSource, range: { offset: number; length: number }, part: RemotePart): Promise<boolean> {
  if (part.size !== range.length) return false
  const hash = createHash('sha256')
  for await (const chunk of source.read(range.offset, range.length)) hash.update(chunk)
  return hash.digest('hex') === part.sha256
}

/** Waits for all of them, so that none runs on unseen, then throws the first failure. */
async function settleAll(workers: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(workers)
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}
