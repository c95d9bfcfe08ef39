import { lstatSync, mkdirSync, readlinkSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import type { RemoteEntry } from '#client/wire.ts'
import type { Location, LocalLocation, RemoteLocation } from '../location.ts'
import { baseName, formatRemote } from '../location.ts'
import type { Progress } from '../progress.ts'
import { usageError } from '../usage-error.ts'
import type { CopyContext } from './copy-context.ts'
import { exactPath, pathForSource } from './copy-target.ts'
import type { CopySource, CopyTarget } from './copy-target.ts'
import { downloadFile } from './download-file.ts'
import { downloadLink, downloadTree } from './download-tree.ts'
import { estimateLocal, estimateRemote } from './estimate.ts'
import { parentOf } from './local-path.ts'
import { copyRemote } from './remote-copy.ts'
import { replaceSymlink } from './replace-symlink.ts'
import { uploadFile } from './upload-file.ts'
import { uploadTree } from './upload-tree.ts'

/** One source, found, with what it is. */
type FoundSource = CopySource &
  (
    | { readonly location: LocalLocation; readonly kind: 'file' | 'directory' | 'symlink' }
    | { readonly location: RemoteLocation; readonly entry: RemoteEntry }
  )

export type PathLocation = RemoteLocation | LocalLocation

export interface CopyRequest {
  readonly sources: readonly PathLocation[]
  readonly target: PathLocation
  /** The target is to be the copy of the one source, also where it is a directory. */
  readonly exact: boolean
  readonly progress: Progress
}

/** Copies all `sources` to `target`. Failures of single files go to the report. @throws what makes the copy as a whole impossible */
export async function runCopy(context: CopyContext, { sources, target, exact, progress }: CopyRequest): Promise<void> {
  const found: FoundSource[] = []
  for (const source of sources) found.push(await findSource(context, source))
  const place = await findTarget(context, target)
  const planned = found.map((source) => ({
    source,
    path: exact ? exactPath(source, place) : pathForSource(source, place, found.length),
  }))
  if (target.kind === 'local' && place.state === 'missing' && target.directory) mkdirSync(target.path, { recursive: true })
  const estimate = estimateAll(context, found, progress)
  try {
    for (const { source, path } of planned) {
      if (context.report.stopped) break
      await copyOne(context, { source, target, path })
    }
  } finally {
    estimate.stop()
  }
}

async function copyOne(
  context: CopyContext,
  { source, target, path }: { source: FoundSource; target: PathLocation; path: string },
): Promise<void> {
  if ('entry' in source) {
    const { volume } = source.location
    if (target.kind === 'remote')
      return copyRemote(context, { volume, source: source.entry, toVolume: target.volume, toPath: path })
    const local = encodeName(path)
    if (source.isDirectory) return downloadTree(context, { volume, root: source.entry, local })
    if (source.entry.type === 'symlink') return downloadLink(context, { volume, entry: source.entry, local })
    return downloadFile(context, { volume, entry: source.entry, local })
  }
  const local = Buffer.from(source.location.path)
  const { volume } = target as RemoteLocation
  if (source.isDirectory) return uploadTree(context, { local, volume, path })
  if (source.kind === 'file') return uploadFile(context, { local, volume, path })
  await replaceSymlink(context.client, { volume, path, target: readlinkSync(source.location.path) })
  context.report.links += 1
  context.report.fileDone()
}

async function findSource(context: CopyContext, location: PathLocation): Promise<FoundSource> {
  return location.kind === 'local' ? findLocal(context, location) : findRemote(context, location)
}

function findLocal({ settings }: CopyContext, location: LocalLocation): FoundSource {
  const { path: shown, contents, directory } = location
  // As cp: with -r a link is copied as a link, unless its name ends in a slash.
  const keepsLinks = settings.recursive && !settings.follow && !directory
  const facts = (keepsLinks ? lstatSync : statSync)(shown)
  const kind = facts.isDirectory() ? 'directory' : facts.isSymbolicLink() ? 'symlink' : 'file'
  if (kind === 'file' && !facts.isFile()) throw usageError(`"${shown}" is neither a file, a directory nor a symbolic link`)
  if (kind === 'file' && directory) throw new ShoalError('NOT_A_DIRECTORY', `"${shown}" is not a directory`)
  const source = { shown, name: basename(resolve(shown)), isDirectory: kind === 'directory', contents, location, kind } as const
  checkRecursive(source, settings.recursive)
  return source
}

async function findRemote({ client, report, settings }: CopyContext, location: RemoteLocation): Promise<FoundSource> {
  const { volume, path, contents } = location
  let entry = await client.getEntry(volume, path, { signal: report.signal })
  if (entry.type === 'symlink' && !settings.recursive) {
    // Its contents are what the link points to; the server follows it.
    const { sizeBytes, mode, sha256 } = await client.headFile(volume, path, { signal: report.signal })
    const { sha256: _, target: __, ...link } = entry
    entry = { ...link, type: 'file', size: sizeBytes, mode: mode ?? '0644', ...(sha256 === undefined ? {} : { sha256 }) }
  }
  if (!['file', 'directory', 'symlink'].includes(entry.type))
    throw usageError(`"${formatRemote(location)}" is a ${entry.type}, which can't be copied`)
  const source = {
    shown: formatRemote(location),
    name: baseName(path),
    isDirectory: entry.type === 'directory',
    contents,
    location,
    entry,
  }
  checkRecursive(source, settings.recursive)
  return source
}

function checkRecursive({ shown, isDirectory }: CopySource, recursive: boolean): void {
  if (isDirectory && !recursive) throw usageError(`"${shown}" is a directory: copy it with -r`)
}

async function findTarget({ client, report }: CopyContext, location: PathLocation): Promise<CopyTarget> {
  const { path, directory: slash } = location
  if (location.kind === 'remote') {
    const shown = formatRemote(location)
    const entry = await client.findEntry(location.volume, path, { signal: report.signal })
    return { shown, path, slash, state: entry === undefined ? 'missing' : entry.type === 'directory' ? 'directory' : 'file' }
  }
  const facts = statSync(path, { throwIfNoEntry: false })
  const parent = parentOf(Buffer.from(path))
  if (facts === undefined && !slash && statSync(parent, { throwIfNoEntry: false }) === undefined) {
    throw new ShoalError('NOT_FOUND', `There is no directory "${parent.toString()}" to copy to`)
  }
  return {
    shown: path,
    path: path.replace(/(?<=.)\/+$/, ''),
    slash,
    state: facts === undefined ? 'missing' : facts.isDirectory() ? 'directory' : 'file',
  }
}

/** Finds out in the background how much there is to copy, if somebody watches the bar. */
function estimateAll(context: CopyContext, sources: readonly FoundSource[], progress: Progress): { stop: () => void } {
  if (!progress.isDrawn) return { stop: () => undefined }
  const total = { bytes: 0, files: 0 }
  let wanted = true
  const estimate = async () => {
    for (const source of sources) {
      if (!source.isDirectory) {
        total.files += 1
        total.bytes += 'entry' in source ? source.entry.size : statSync(source.location.path).size
      } else if ('entry' in source)
        await estimateRemote(context, { volume: source.location.volume, path: source.entry.path }, total)
      else await estimateLocal(context, Buffer.from(source.location.path), total)
      if (!wanted) return
    }
    progress.expect(total)
  }
  // Only a nicety: whatever keeps it from being known will keep the copy from being made, and be told there.
  estimate().catch(() => undefined)
  return { stop: () => (wanted = false) }
}

/** What `-` is not. */
export function pathsOnly(locations: readonly Location[]): PathLocation[] {
  return locations.map((location) => {
    if (location.kind === 'stdio') throw usageError('"-" (stdin or stdout) can only be copied to or from one file')
    return location
  })
}
