import { SESSION_THRESHOLD_BYTES } from '#client/shoal-client.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import { partSizeFor } from '#client/upload.ts'
import type { CopyContext } from './copy-context.ts'
import { octal, openFileSource } from './file-source.ts'
import type { FileSource } from './file-source.ts'
import { findUpload } from './find-upload.ts'
import { ResumeState } from './resume-state.ts'
import { isUnchanged } from './unchanged.ts'
import { verifyCopy } from './verify.ts'

/** Up to this length a file is read into memory and sent as one buffer, which costs less than a stream. */
const BUFFERED_BYTES = 1024 * 1024

export interface FileUpload {
  readonly local: Buffer
  readonly volume: string
  readonly path: string
}

/** Copies one local file into a volume; what fails goes to the report. */
export async function uploadFile(context: CopyContext, upload: FileUpload): Promise<void> {
  const { report, settings } = context
  try {
    const source = openFileSource(upload.local)
    try {
      if (settings.update && (await isThere(context, upload, source))) {
        report.skip(source.sizeBytes)
        return
      }
      await send(context, upload, source)
      source.checkUnchanged()
    } finally {
      await source.close()
    }
    if (settings.verify) await verifyCopy(context, upload)
    report.fileDone()
  } catch (error) {
    report.fail(upload.local.toString(), error)
  }
}

async function isThere(context: CopyContext, { local, volume, path }: FileUpload, facts: FileSource): Promise<boolean> {
  const remote = await context.client.findEntry(volume, path, { signal: context.report.signal })
  return remote !== undefined && isUnchanged(context, { volume, remote, local, facts })
}

async function send(context: CopyContext, { volume, path }: FileUpload, source: FileSource): Promise<void> {
  const { client, report } = context
  const attributes = { mode: octal(source.modeBits), mtime: formatTimestamp(source.mtimeNs), signal: report.signal }
  if (source.sizeBytes <= BUFFERED_BYTES) {
    const bytes = Buffer.concat(await Array.fromAsync(source.read(0, source.sizeBytes)))
    source.checkUnchanged()
    await client.writeSmallFile(volume, path, bytes, attributes)
    report.moved(bytes.length)
    return
  }
  const onBytes = (delta: number) => report.moved(delta)
  if (source.sizeBytes <= SESSION_THRESHOLD_BYTES) {
    await client.writeFile(volume, path, source, { ...attributes, onBytes })
    return
  }
  const state = new ResumeState(context.stateFolder, [
    client.endpoint,
    volume,
    path,
    source.identity,
    String(source.sizeBytes),
    String(source.mtimeNs),
  ])
  const { sizeBytes } = source
  const before = state.read() ?? (context.settings.resume ? await findUpload(client, { volume, path, sizeBytes }) : undefined)
  const stored = await client.writeFile(volume, path, source, {
    ...attributes,
    onBytes,
    resumeId: before?.id,
    partSizeBytes: before?.partSizeBytes ?? partSizeFor(source.sizeBytes),
    onSession: (session) => state.write(session),
  })
  state.clear()
  // An upload that another file began has that one's mode and time.
  const { mode, mtime } = attributes
  if (stored.mode !== mode || stored.mtime !== mtime) await client.setAttributes(volume, path, { mode, mtime })
}
