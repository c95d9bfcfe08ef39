import { opendirSync, statSync } from 'node:fs'
import type { Dirent } from 'node:fs'
import { decodeName } from '#foundation/name.ts'
import { joinPath } from '../location.ts'
import { joinLocalBytes, withLocalPath } from './local-path.ts'

export type LocalKind = 'file' | 'directory' | 'symlink' | 'special'

export interface LocalItem {
  /** `left`: everything directly in the directory has been delivered. */
  readonly kind: LocalKind | 'left'
  /** As the operating system knows it. */
  readonly local: Buffer
  /** Relative to where the walk began, with `/`. */
  readonly path: string
  /** Of `left`: how many entries the directory had. */
  readonly count?: number
}

interface Pending {
  readonly local: Buffer
  readonly path: string
  readonly ancestors: Ancestors | undefined
}

/** The directories above, to notice links that lead back up. */
interface Ancestors {
  readonly identity: string
  readonly above: Ancestors | undefined
}

export interface WalkOptions {
  /** Follow symbolic links. */
  readonly follow: boolean
  readonly onError: (path: Buffer, error: unknown) => void
}

/** Everything below `root`, a directory at a time: what is in a directory, then its subdirectories one after the other. One
 *  directory is open at any moment, and of the rest only names of directories still to come are in memory. */
export function* walkLocal(root: Buffer, options: WalkOptions): Generator<LocalItem, void, undefined> {
  const stack: Pending[] = [{ local: root, path: '', ancestors: undefined }]
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    const subdirectories: Pending[] = []
    try {
      yield* readDirectory(directory, { ...options, subdirectories })
    } catch (error) {
      options.onError(directory.local, error)
    }
    // The first one is read first.
    for (let index = subdirectories.length - 1; index >= 0; index -= 1) stack.push(subdirectories[index] as Pending)
  }
}

function* readDirectory(
  directory: Pending,
  { follow, onError, subdirectories }: WalkOptions & { subdirectories: Pending[] },
): Generator<LocalItem, void, undefined> {
  const ancestors = follow ? { identity: identityOf(directory.local), above: directory.ancestors } : undefined
  const handle = withLocalPath(directory.local, (path) =>
    opendirSync(path as unknown as string, { encoding: 'buffer' as BufferEncoding, bufferSize: 512 }),
  )
  let count = 0
  try {
    for (
      let entry = handle.readSync() as Dirent<Buffer> | null;
      entry !== null;
      entry = handle.readSync() as Dirent<Buffer> | null
    ) {
      count += 1
      const local = joinLocalBytes(directory.local, entry.name)
      const path = joinPath(directory.path, decodeName(entry.name))
      try {
        const kind = follow && entry.isSymbolicLink() ? followedKind(local, ancestors) : kindOf(entry)
        if (kind === 'directory') subdirectories.push({ local, path, ancestors })
        yield { kind, local, path }
      } catch (error) {
        onError(local, error)
      }
    }
  } finally {
    handle.closeSync()
  }
  yield { kind: 'left', local: directory.local, path: directory.path, count }
}

function kindOf(entry: Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'>): LocalKind {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'directory'
  return entry.isSymbolicLink() ? 'symlink' : 'special'
}

function followedKind(local: Buffer, ancestors: Ancestors | undefined): LocalKind {
  const facts = withLocalPath(local, (path) => statSync(path))
  if (!facts.isDirectory()) return facts.isFile() ? 'file' : 'special'
  const identity = identityOf(local)
  for (let each = ancestors; each !== undefined; each = each.above) {
    if (each.identity === identity)
      throw Object.assign(new Error('The link leads to a directory that it is in'), { code: 'LOOP' })
  }
  return 'directory'
}

function identityOf(local: Buffer): string {
  const { dev, ino } = withLocalPath(local, (path) => statSync(path, { bigint: true }))
  return `${dev}:${ino}`
}
