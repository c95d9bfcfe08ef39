import { chmodSync, lstatSync, mkdirSync, readlinkSync, statSync, symlinkSync, unlinkSync, utimesSync } from 'node:fs'
import type { RemoteEntry } from '#client/wire.ts'
import { ShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import type { CopyContext } from './copy-context.ts'
import { downloadFile, secondsOf } from './download-file.ts'
import { joinLocal, withLocalPath } from './local-path.ts'
import { TaskPool } from './task-pool.ts'

/** Pages of this many entries: few calls, and a page is a few MiB. */
const PAGE_ENTRIES = 5_000

export interface TreeDownload {
  readonly volume: string
  readonly root: RemoteEntry
  readonly local: Buffer
}

interface DirectoryToFinish {
  readonly local: Buffer
  readonly mode: number
  readonly seconds: number | undefined
}

/** Copies a directory of a volume to `local`, which becomes its copy or is merged with it. */
export async function downloadTree(context: CopyContext, { volume, root, local }: TreeDownload): Promise<void> {
  const { client, report, settings } = context
  const pool = new TaskPool(settings.parallel)
  // Mode and time are set at the end, from the leaves up: a directory may forbid writing, and its time changes with it.
  const directories: DirectoryToFinish[] = []
  makeDirectory(local)
  if (root.path !== '') directories.push(toFinish(local, root))
  const skip = root.path === '' ? 0 : root.path.length + 1
  for await (const entry of client.list(volume, root.path, { recursive: true, limit: PAGE_ENTRIES, signal: report.signal })) {
    if (report.stopped) break
    try {
      const target = joinLocal(local, checked(entry.path.slice(skip)))
      if (entry.type === 'file') {
        const started = pool.start(() => downloadFile(context, { volume, entry, local: target }))
        if (started !== undefined) await started
      } else if (entry.type === 'directory') {
        makeDirectory(target)
        directories.push(toFinish(target, entry))
        report.directories += 1
      } else if (entry.type === 'symlink') await pool.start(() => downloadLink(context, { volume, entry, local: target }))
      else report.warn(`${volume}:/${entry.path}`, `Skipped: it is a ${entry.type}`)
    } catch (error) {
      report.fail(`${volume}:/${entry.path}`, error)
    }
  }
  await pool.idle()
  for (const { local: directory, mode, seconds } of directories.toReversed()) {
    try {
      withLocalPath(directory, (path) => {
        chmodSync(path, mode)
        if (seconds !== undefined) utimesSync(path, seconds, seconds)
      })
    } catch (error) {
      report.fail(directory.toString(), error)
    }
  }
}

/** Copies a symbolic link itself. */
export async function downloadLink(
  { client, report }: CopyContext,
  { volume, entry, local }: { volume: string; entry: RemoteEntry; local: Buffer },
): Promise<void> {
  try {
    const { target } = await client.getEntry(volume, entry.path, { signal: report.signal })
    if (target === undefined) throw new ShoalError('CONFLICT', 'It was a symbolic link, and is no more')
    const bytes = encodeName(target)
    const isNew = withLocalPath(local, (path) => {
      const there = lstatSync(path, { throwIfNoEntry: false })
      if (there?.isSymbolicLink() === true) {
        if (readlinkSync(path, { encoding: 'buffer' }).equals(bytes)) return false
        unlinkSync(path)
      }
      symlinkSync(bytes, path)
      return true
    })
    if (!isNew) {
      report.skip(0)
      return
    }
    report.links += 1
    report.fileDone()
  } catch (error) {
    report.fail(`${volume}:/${entry.path}`, error)
  }
}

function makeDirectory(local: Buffer): void {
  withLocalPath(local, (path) => {
    try {
      mkdirSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error
    }
  })
}

function toFinish(local: Buffer, { mode, mtime }: RemoteEntry): DirectoryToFinish {
  return { local, mode: Number.parseInt(mode, 8), seconds: secondsOf(mtime) }
}

/** No name from afar may lead out of the directory that is copied to. */
function checked(path: string): string {
  if (/(^|\/)\.{0,2}(\/|$)/.test(path) || path.includes('\0')) {
    throw new ShoalError('INVALID_PATH', `The server sent the path "${path}", which is not one`)
  }
  return path
}
