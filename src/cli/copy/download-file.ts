import {
  close,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  write,
  writeSync,
} from 'node:fs'
import process from 'node:process'
import { hash } from 'node:crypto'
import { promisify } from 'node:util'
import { tryParseTimestamp } from '#foundation/timestamp.ts'
import type { RemoteEntry } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { CopyContext } from './copy-context.ts'
import { joinLocalBytes, parentOf, withLocalPath } from './local-path.ts'
import { partName } from './stale-parts.ts'
import { isUnchanged } from './unchanged.ts'
import { verifyCopy } from './verify.ts'

const writeAsync = promisify(write)
const closeAsync = promisify(close)
/** Up to this length a file is taken into memory whole, which costs less than a stream. */
const BUFFERED_BYTES = 1024 * 1024
const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY
const EMPTY = Buffer.alloc(0)
let temporaryNames = 0

export interface FileDownload {
  readonly volume: string
  readonly entry: RemoteEntry
  /** What the copy will be called. */
  readonly local: Buffer
}

/** Copies one file out of a volume: under a temporary name first, and under its own only when it is complete. What fails
 *  goes to the report. */
export async function downloadFile(context: CopyContext, download: FileDownload): Promise<void> {
  const { report, settings } = context
  const { volume, entry, local } = download
  try {
    if (settings.update && (await isThere(context, download))) {
      report.skip(entry.size)
      return
    }
    if (entry.size <= BUFFERED_BYTES) await downloadSmall(context, download)
    else await downloadLarge(context, download)
    if (settings.verify) await verifyCopy(context, { volume, path: entry.path, local })
    report.fileDone()
  } catch (error) {
    report.fail(`${volume}:/${entry.path}`, error)
  }
}

async function isThere(context: CopyContext, { volume, entry, local }: FileDownload): Promise<boolean> {
  const facts = withLocalPath(local, (path) => lstatSync(path, { bigint: true, throwIfNoEntry: false }))
  if (facts === undefined || !facts.isFile()) return false
  return isUnchanged(context, { volume, remote: entry, local, facts: { sizeBytes: Number(facts.size), mtimeNs: facts.mtimeNs } })
}

async function downloadSmall(context: CopyContext, { volume, entry, local }: FileDownload): Promise<void> {
  const { client, report } = context
  let bytes: Buffer = EMPTY
  if (entry.size > 0) {
    const answer = await client.readSmallFile(volume, entry.path, { signal: report.signal })
    bytes = answer.bytes
    checkDigest(answer.head.sha256, () => hash('sha256', bytes, 'hex'))
  }
  const temporary = temporaryBeside(local, context)
  const fd = create(temporary, entry, context)
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    finish(fd, entry)
  } catch (error) {
    closeSync(fd)
    withLocalPath(temporary, unlinkSync)
    throw error
  }
  closeSync(fd)
  publish(temporary, local)
  report.moved(bytes.length)
}

async function downloadLarge(context: CopyContext, { volume, entry, local }: FileDownload): Promise<void> {
  const { client, report } = context
  const { body } = await client.openFile(volume, entry.path, { signal: report.signal })
  const temporary = temporaryBeside(local, context)
  const fd = create(temporary, entry, context)
  let arrivedBytes = 0
  try {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length;) at += (await writeAsync(fd, chunk, at)).bytesWritten
      arrivedBytes += chunk.length
      report.moved(chunk.length)
    }
    finish(fd, entry)
  } catch (error) {
    report.moved(-arrivedBytes)
    await closeAsync(fd)
    withLocalPath(temporary, unlinkSync)
    throw error
  }
  await closeAsync(fd)
  publish(temporary, local)
}

function checkDigest(expected: string | undefined, compute: () => string): void {
  if (expected === undefined || compute() === expected) return
  throw new ShoalError('DIGEST_MISMATCH', `What arrived is not what the server keeps: its SHA-256 should be ${expected}`)
}

/** Short, whatever the length of the name it stands for. */
function temporaryBeside(local: Buffer, { runId }: CopyContext): Buffer {
  temporaryNames += 1
  return joinLocalBytes(parentOf(local), Buffer.from(partName(runId, temporaryNames)))
}

function create(temporary: Buffer, { mode }: RemoteEntry, { staleParts }: CopyContext): number {
  const fd = withLocalPath(temporary, (path) => openSync(path, CREATE, Number.parseInt(mode, 8) & 0o777))
  staleParts.removeFrom(parentOf(temporary), fd)
  return fd
}

/** Sets what creating the file could not. */
function finish(fd: number, entry: RemoteEntry): void {
  const mode = Number.parseInt(entry.mode, 8)
  if ((mode & (UMASK | 0o7000)) !== 0) fchmodSync(fd, mode)
  const seconds = secondsOf(entry.mtime)
  if (seconds !== undefined) futimesSync(fd, seconds, seconds)
}

const UMASK = process.umask()

function publish(temporary: Buffer, local: Buffer): void {
  // Both names are in one directory: beyond PATH_MAX they are reached through it.
  withLocalPath(temporary, (from) =>
    renameSync(from, Buffer.concat([parentOf(from), Buffer.from('/'), local.subarray(local.lastIndexOf(0x2f) + 1)])),
  )
}

/** Seconds since 1970, as Node.js sets file times. */
export function secondsOf(timestamp: string): number | undefined {
  const timeNs = tryParseTimestamp(timestamp)
  return timeNs === undefined ? undefined : Number(timeNs) / 1e9
}
