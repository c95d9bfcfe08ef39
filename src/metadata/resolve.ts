import { ShoalError } from '#foundation/errors.ts'
import { ROOT_INODE } from '#foundation/ids.ts'
import { decodeName } from '#foundation/name.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { findEntry, findRoot, joinPath, type Located } from './inodes.ts'
import { inlineKey } from './keys.ts'
import type { InodeRecord } from './record.ts'
import { VolumeTransaction, type VolumeView } from './transaction.ts'

/** Linux' limit for symbolic links on one path (path_resolution(7)). */
const MAX_SYMLINKS = 40
/** One step up, which only a link's target can ask for: in a path of its own ".." would be a name like any other. */
const UP = '/..'

export interface ResolveOptions {
  /** Follow symbolic links, the last name's too. A target that is absolute leads out of the volume: not found. */
  readonly follow?: boolean
  /** Which form wins where a file and a directory have the same name; a directory by default, as POSIX shows it. */
  readonly prefer?: 'file' | 'directory'
}

/** What `path` names, or `undefined` if there is nothing. @throws TOO_MANY_SYMLINKS; NOT_A_DIRECTORY when a file stands on the way */
export function resolvePath(view: VolumeView, path: Path, options: ResolveOptions = {}): Located | undefined {
  return walk(view, path, options)
}

/** The directory at `path`. @throws NOT_FOUND, NOT_A_DIRECTORY */
export function resolveDirectory(view: VolumeView, path: Path, options: ResolveOptions = {}): Located {
  const found = walk(view, path, options)
  if (found === undefined) throw notFound(path)
  if (found.record.type !== 'directory') throw notADirectory(path)
  return found
}

/** The entry at `path`. @throws NOT_FOUND, NOT_A_DIRECTORY */
export function resolveExisting(view: VolumeView, path: Path, options: ResolveOptions = {}): Located {
  const found = resolvePath(view, path, options)
  if (found === undefined) throw notFound(path)
  return found
}

export interface ParentAndName {
  readonly parent: Located
  readonly name: string
}

/** Splits `path` into its directory, which must exist, and the last name. @throws NOT_FOUND, NOT_A_DIRECTORY, NOT_PERMITTED for the root */
export function resolveParent(view: VolumeView, path: Path): ParentAndName {
  const name = path.at(-1)
  if (name === undefined) throw new ShoalError('NOT_PERMITTED', "The root directory itself can't be replaced, moved or removed")
  return { parent: resolveAbove(view, path.slice(0, -1)), name }
}

/** `resolveDirectory`, looked up once for all changes of a transaction. */
function resolveAbove(view: VolumeView, path: Path): Located {
  if (!(view instanceof VolumeTransaction)) return resolveDirectory(view, path)
  const known = path.join('/')
  let directory = view.directories.get(known)
  if (directory === undefined) {
    directory = resolveDirectory(view, path)
    view.directories.set(known, directory)
  }
  return directory
}

function walk(view: VolumeView, path: Path, options: ResolveOptions): Located | undefined {
  // Below the root, whose own record is read only if the path ends there.
  const directories: Located[] = []
  const todo = path.toReversed()
  let links = 0
  let shown = ''
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (name === UP) {
      directories.pop()
      continue
    }
    const directory = directories.at(-1)?.record
    const isLast = todo.length === 0
    const found = lookUp(view, directory, { name, preferFile: isLast && options.prefer === 'file' })
    if (found === undefined) return undefined
    if (found.record.type === 'symlink' && options.follow === true) {
      links += 1
      if (links > MAX_SYMLINKS)
        throw new ShoalError('TOO_MANY_SYMLINKS', `"${formatPath(path)}" leads through more than ${MAX_SYMLINKS} symbolic links`)
      const target = readTarget(view, found)
      if (target.startsWith('/')) return undefined
      todo.push(...targetSteps(target).toReversed())
      continue
    }
    if (isLast) return found
    if (found.record.type !== 'directory') throw notADirectory(path)
    shown = joinPath(shown, name)
    if (view instanceof VolumeTransaction && links === 0) view.paths.set(found.record.inode, shown)
    directories.push(found)
  }
  return directories.at(-1) ?? findRoot(view)
}

function targetSteps(target: string): string[] {
  return target
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .map((part) => (part === '..' ? UP : part))
}

function lookUp(
  view: VolumeView,
  directory: InodeRecord | undefined,
  { name, preferFile }: { name: string; preferFile: boolean },
): Located | undefined {
  const parent = directory?.inode ?? ROOT_INODE
  // Two links are a directory's own: where there are no more, no directory is in it.
  if (directory?.links === 2) return findEntry(view, parent, { name, form: 'file' })
  const [first, second] = preferFile ? (['file', 'directory'] as const) : (['directory', 'file'] as const)
  return findEntry(view, parent, { name, form: first }) ?? findEntry(view, parent, { name, form: second })
}

function readTarget(view: VolumeView, link: Located): string {
  const bytes = view.snapshot.get(inlineKey(view.prefix, link.record.content))
  if (bytes === undefined)
    throw new ShoalError('CORRUPT', `The target of symbolic link ${link.record.inode} is missing: run "shoal fsck"`)
  return decodeName(bytes)
}

export function notFound(path: Path): ShoalError {
  return new ShoalError('NOT_FOUND', `There is nothing at "/${formatPath(path)}"`, { details: { path: formatPath(path) } })
}

export function notADirectory(path: Path): ShoalError {
  return new ShoalError(
    'NOT_A_DIRECTORY',
    `"/${formatPath(path)}" is not a directory, or leads through something that isn't one`,
    {
      details: { path: formatPath(path) },
    },
  )
}
