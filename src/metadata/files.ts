// Whole files by path: what PUT, mkdir -p and chmod do to the namespace.

import { ShoalError } from '#foundation/errors.ts'
import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { formatPath, type Path } from '#foundation/path.ts'
import { chmodAcl } from './acls.ts'
import { type Attributes, entityTag } from './attributes.ts'
import { type NewContents, replaceContents, storeContents } from './contents.ts'
import { addEntry } from './entries.ts'
import { findEntry, findRoot, joinPath, type Located, pathOfDirectory, storeRecord } from './inodes.ts'
import { refuseHeld } from './object-part.ts'
import { decodePointer, type InodeRecord } from './record.ts'
import { inodeKey, parentOfEntryKey, readEntryKey } from './keys.ts'
import { notADirectory, resolveParent, resolvePath } from './resolve.ts'
import type { VolumeTransaction } from './transaction.ts'
import { isVersioned, keyOfEntry, setAside, stampObject } from './versions.ts'

export const DEFAULT_FILE_MODE = 0o644
export const DEFAULT_DIRECTORY_MODE = 0o755

/** RFC 9110, section 13.1: `*` is "any", else entity tags. */
export interface Conditions {
  readonly ifMatch?: '*' | readonly string[]
  readonly ifNoneMatch?: '*' | readonly string[]
}

export interface AttributeChanges {
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly atimeNs?: bigint
  readonly mtimeNs?: bigint
}

export interface FileWrite {
  readonly contents: NewContents
  readonly sha256: Buffer | undefined
  readonly conditions?: Conditions | undefined
  readonly attributes?: AttributeChanges | undefined
  readonly createParents?: boolean
  /** Lets a file and a directory of one name stand side by side, as S3 needs it. */
  readonly besideDirectory?: boolean
  /** What S3 shall know of the file. */
  readonly object?: Buffer | undefined
  /** Throws if what is there is not what it must be. */
  readonly check?: (existing: InodeRecord | undefined) => void
}

/** @throws PRECONDITION_FAILED */
export function checkConditions(conditions: Conditions | undefined, target: Attributes | undefined): void {
  if (conditions === undefined) return
  const { ifMatch, ifNoneMatch } = conditions
  const tag = target === undefined ? undefined : entityTag(target)
  if (ifMatch !== undefined && (tag === undefined || (ifMatch !== '*' && !ifMatch.includes(tag)))) {
    throw new ShoalError(
      'PRECONDITION_FAILED',
      tag === undefined
        ? 'The file does not exist, but If-Match asks for it'
        : `The file is now ${tag}, which If-Match doesn't name`,
    )
  }
  if (ifNoneMatch !== undefined && tag !== undefined && (ifNoneMatch === '*' || ifNoneMatch.includes(tag))) {
    throw new ShoalError('PRECONDITION_FAILED', `The file exists as ${tag}, which If-None-Match excludes`)
  }
}

/** The directory for the last name of `path`, made with those above it where `create` says so. */
export function parentFor(t: VolumeTransaction, path: Path, create: boolean): { parent: Located; name: string } {
  if (!create || path.length === 0) return resolveParent(t, path)
  return { parent: ensureParent(t, path), name: path.at(-1) as string }
}

/** `ensureDirectory` for the directory above `path`, looked up once for all changes of a transaction. */
function ensureParent(t: VolumeTransaction, path: Path, options?: { besideFiles: boolean }): Located {
  const above = path.slice(0, -1)
  const known = above.join('/')
  let directory = t.directories.get(known)
  if (directory === undefined) {
    directory = ensureDirectory(t, above, options)
    t.directories.set(known, directory)
  }
  return directory
}

/** The directory at `path`, made with those above it where they are missing. @throws NOT_A_DIRECTORY where a file stands
 *  in the way, unless directories may stand beside files */
export function ensureDirectory(t: VolumeTransaction, path: Path, { besideFiles = false } = {}): Located {
  // The root's own record is read only where it is needed: most paths lead further.
  let at: Located | undefined
  let shown = ''
  for (const [index, name] of path.entries()) {
    shown = joinPath(shown, name)
    const inode: InodeId = at?.record.inode ?? ROOT_INODE
    let next = findEntry(t, inode, { name, form: 'directory' })
    if (next === undefined) {
      if (!besideFiles && findEntry(t, inode, { name, form: 'file' }) !== undefined) throw notADirectory(path.slice(0, index + 1))
      const directory = { type: 'directory', mode: DEFAULT_DIRECTORY_MODE, isImplicit: besideFiles } as const
      next = addEntry(t, at ?? findRoot(t), { name, inode: directory })
    }
    t.paths.set(next.record.inode, shown)
    at = next
  }
  return at ?? findRoot(t)
}

export interface FileWritten {
  readonly located: Located
  readonly created: boolean
}

/** Creates the file at `path` or replaces all of its contents, in one step. A file keeps its inode, its other names and
 *  what `attributes` doesn't mention. */
export function putFile(t: VolumeTransaction, path: Path, write: FileWrite): FileWritten {
  if (path.length === 0) throw isADirectory(path)
  const besideDirectory = write.besideDirectory === true
  const { parent, name } =
    write.createParents === true
      ? { parent: ensureParent(t, path, { besideFiles: besideDirectory }), name: path.at(-1) as string }
      : resolveParent(t, path)
  const existing = findTarget(t, path, { parent, name, besideDirectory })
  checkConditions(write.conditions, existing?.record)
  write.check?.(existing?.record)
  if (existing !== undefined) return { located: overwrite(t, existing, write), created: false }
  const { attributes = {}, sha256, object } = write
  const located = addEntry(t, parent, {
    name,
    inode: { type: 'file', mode: DEFAULT_FILE_MODE, ...attributes, contents: storeContents(t, write.contents), sha256, object },
  })
  return { located, created: true }
}

function findTarget(
  t: VolumeTransaction,
  path: Path,
  at: { parent: Located; name: string; besideDirectory: boolean },
): Located | undefined {
  const directory = at.parent.record.inode
  const existing = findEntry(t, directory, { name: at.name, form: 'file' })
  if (existing === undefined) {
    // Two links are a directory's own: where there are no more, no directory is in it.
    const mayBeDirectory = !at.besideDirectory && at.parent.record.links > 2
    if (mayBeDirectory && findEntry(t, directory, { name: at.name, form: 'directory' }) !== undefined) throw isADirectory(path)
    return undefined
  }
  if (existing.record.type === 'file') return existing
  const target = existing.record.type === 'symlink' ? resolvePath(t, path, { follow: true, prefer: 'file' }) : existing
  if (target === undefined) throw new ShoalError('NOT_FOUND', `"/${formatPath(path)}" is a symbolic link that leads nowhere`)
  if (target.record.type === 'directory') throw isADirectory(path)
  if (target.record.type !== 'file')
    throw new ShoalError('NOT_PERMITTED', `"/${formatPath(path)}" is a ${target.record.type} and has no contents to replace`)
  return target
}

function overwrite(t: VolumeTransaction, existing: Located, write: FileWrite): Located {
  const key = isVersioned(t) && existing.entry !== undefined ? keyOfEntry(t, existing.entry) : undefined
  const isSetAside = key !== undefined && setAside(t, key, existing.record)
  if (!isSetAside) refuseHeld(existing.record.object, t.nowMs)
  const object = key === undefined ? write.object : stampObject(t, key, write.object)
  const replaced = replaceContents(t, existing, { contents: write.contents, sha256: write.sha256, object, isSetAside })
  if (write.attributes?.mode !== undefined) chmodAcl(t, replaced.record, write.attributes.mode)
  const located =
    write.attributes === undefined ? replaced : storeRecord(t, replaced, { ...replaced.record, ...write.attributes })
  reportChange(t, located, 'write')
  return located
}

/** chmod, chown, utimensat. */
export function changeAttributes(t: VolumeTransaction, located: Located, changes: AttributeChanges): Located {
  if (changes.mode !== undefined) chmodAcl(t, located.record, changes.mode)
  // Whoever cares for a directory's attributes wants to keep it.
  const changed = storeRecord(t, located, { ...located.record, ...changes, isImplicit: false, ctimeNs: t.nowNs })
  reportChange(t, changed, 'attributes')
  return changed
}

/** Tells the change feed of a change to an inode, under one of its names. */
export function reportChange(t: VolumeTransaction, located: Located, kind: 'write' | 'attributes'): void {
  const { record } = located
  const entry = located.entry ?? pointerOf(t, located)
  if (entry === undefined) {
    t.change({ kind, inode: record.inode, type: record.type, path: '' })
    return
  }
  const parent = parentOfEntryKey(entry)
  const path = joinPath(pathOfDirectory(t, parent), readEntryKey(entry).name)
  t.change({ kind, inode: record.inode, parent, type: record.type, path })
}

function pointerOf(t: VolumeTransaction, located: Located): Buffer | undefined {
  const row = t.tx.get(inodeKey(t.prefix, located.record.inode))
  return row === undefined ? undefined : decodePointer(row)
}

function isADirectory(path: Path): ShoalError {
  return new ShoalError('IS_A_DIRECTORY', `"/${formatPath(path)}" is a directory`, { details: { path: formatPath(path) } })
}
