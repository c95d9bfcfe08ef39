import type { RemoteEntry } from '#client/wire.ts'
import { formatTimestamp, tryParseTimestamp } from '#foundation/timestamp.ts'
import { ShoalError } from '#foundation/errors.ts'
import { joinPath } from '../location.ts'
import { usageError } from '../usage-error.ts'
import type { CopyContext } from './copy-context.ts'
import { replaceSymlink } from './replace-symlink.ts'
import { TaskPool } from './task-pool.ts'

export interface RemoteCopy {
  readonly volume: string
  readonly source: RemoteEntry
  readonly toVolume: string
  readonly toPath: string
}

/** Copies from a volume to a volume: within one by the server, without moving bytes; between two through this process. */
export async function copyRemote(context: CopyContext, copy: RemoteCopy): Promise<void> {
  const { client, report, settings } = context
  const { volume, source, toVolume, toPath } = copy
  if (volume === toVolume && (toPath === source.path || isBelow(toPath, source))) {
    throw usageError(`"${volume}:/${source.path}" can't be copied into itself`)
  }
  const pool = new TaskPool(settings.parallel)
  await copyEntry(context, { ...copy, entry: source, to: toPath, pool })
  if (source.type === 'directory') {
    const directories: { entry: RemoteEntry; to: string }[] = [{ entry: source, to: toPath }]
    const skip = source.path === '' ? 0 : source.path.length + 1
    for await (const entry of client.list(volume, source.path, { recursive: true, signal: report.signal })) {
      if (report.stopped) break
      const to = joinPath(toPath, entry.path.slice(skip))
      if (entry.type === 'directory') directories.push({ entry, to })
      await copyEntry(context, { ...copy, entry, to, pool })
    }
    await pool.idle()
    await finishDirectories(context, { toVolume, directories, pool })
  }
  await pool.idle()
}

interface EntryCopy extends RemoteCopy {
  readonly entry: RemoteEntry
  readonly to: string
  readonly pool: TaskPool
}

async function copyEntry(context: CopyContext, { volume, toVolume, entry, to, pool }: EntryCopy): Promise<void> {
  const { client, report } = context
  if (entry.type === 'directory') {
    if (to !== '') await client.makeDirectory(toVolume, to, { parents: true, mode: entry.mode })
    report.directories += 1
    return
  }
  if (entry.type !== 'file' && entry.type !== 'symlink') {
    report.warn(`${volume}:/${entry.path}`, `Skipped: it is a ${entry.type}`)
    return
  }
  await pool.start(async () => {
    try {
      if (await isThere(context, { toVolume, entry, to })) {
        report.skip(entry.size)
        return
      }
      if (volume === toVolume) await client.copy(volume, entry.path, { to, replace: true, parents: true })
      else if (entry.type === 'symlink') await copyLink(context, { volume, toVolume, entry, to })
      else await copyFile(context, { volume, toVolume, entry, to })
      if (volume === toVolume) report.moved(entry.size)
      report.fileDone()
    } catch (error) {
      report.fail(`${volume}:/${entry.path}`, error)
    }
  })
}

type OneCopy = Pick<EntryCopy, 'volume' | 'toVolume' | 'entry' | 'to'>

async function isThere(
  { client, report, settings }: CopyContext,
  { toVolume, entry, to }: Omit<OneCopy, 'volume'>,
): Promise<boolean> {
  if (!settings.update || entry.type !== 'file') return false
  const there = await client.findEntry(toVolume, to, { signal: report.signal })
  if (there?.type !== 'file' || there.size !== entry.size) return false
  if (!settings.checksum) return there.mtime === entry.mtime
  return there.sha256 !== undefined && there.sha256 === entry.sha256
}

async function copyLink({ client }: CopyContext, { volume, toVolume, entry, to }: OneCopy): Promise<void> {
  const { target } = await client.getEntry(volume, entry.path)
  if (target === undefined) throw new ShoalError('CONFLICT', 'It was a symbolic link, and is no more')
  await replaceSymlink(client, { volume: toVolume, path: to, target })
}

async function copyFile({ client, report, settings }: CopyContext, { volume, toVolume, entry, to }: OneCopy): Promise<void> {
  const source = {
    sizeBytes: entry.size,
    async *read(offset: number, length: number) {
      if (length === 0) return
      const { body } = await client.openFile(volume, entry.path, { range: { offset, length }, signal: report.signal })
      yield* body
    },
  }
  const mtime = formatTimestamp(tryParseTimestamp(entry.mtime) ?? 0n)
  const stored = await client.writeFile(toVolume, to, source, {
    mode: entry.mode,
    mtime,
    signal: report.signal,
    onBytes: (delta) => report.moved(delta),
  })
  if (!settings.verify) return
  const [there, here] = [
    await client.headFile(toVolume, to, { digest: true, signal: report.signal }),
    await client.headFile(volume, entry.path, { digest: true, signal: report.signal }),
  ]
  if (there.sha256 === undefined || there.sha256 !== here.sha256) {
    throw new ShoalError(
      'DIGEST_MISMATCH',
      `The copy is not the same: SHA-256 ${here.sha256} there, ${there.sha256 ?? stored.sha256} here`,
    )
  }
}

async function finishDirectories(
  { client, report }: CopyContext,
  {
    toVolume,
    directories,
    pool,
  }: { toVolume: string; directories: readonly { entry: RemoteEntry; to: string }[]; pool: TaskPool },
): Promise<void> {
  for (const { entry, to } of directories) {
    if (to === '' || entry.path === '') continue
    await pool.start(async () => {
      try {
        await client.setAttributes(toVolume, to, { mode: entry.mode, mtime: entry.mtime })
      } catch (error) {
        report.fail(`${toVolume}:/${to}`, error)
      }
    })
  }
  await pool.idle()
}

function isBelow(path: string, { path: directory, type }: RemoteEntry): boolean {
  return type === 'directory' && (directory === '' || path.startsWith(`${directory}/`))
}
