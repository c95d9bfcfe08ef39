import { joinPath } from '../location.ts'
import { usageError } from '../usage-error.ts'

export interface CopySource {
  /** As the user wrote it. */
  readonly shown: string
  /** What it is called where it is. */
  readonly name: string
  readonly isDirectory: boolean
  /** `dir/.` or a whole volume: its contents are meant. */
  readonly contents: boolean
}

export interface CopyTarget {
  readonly shown: string
  readonly path: string
  readonly state: 'directory' | 'file' | 'missing'
  /** Written with a slash at its end. */
  readonly slash: boolean
}

/** Where a source goes, by the rules of POSIX' cp: into a directory that exists, under its own name; else the target is the
 *  copy. A target that ends in a slash and doesn't exist is made a directory for files. */
export function pathForSource(source: CopySource, target: CopyTarget, sources: number): string {
  if (target.state === 'directory') return source.contents ? target.path : joinPath(target.path, source.name)
  if (target.state === 'file') {
    if (source.isDirectory)
      throw usageError(`"${target.shown}" is a file, and can't become the copy of the directory "${source.shown}"`)
    if (sources > 1 || target.slash) throw usageError(`"${target.shown}" is a file: a directory is expected there`)
    return target.path
  }
  if (sources > 1 && !target.slash) {
    throw usageError(`"${target.shown}" does not exist: with a "/" at its end it is made a directory for the ${sources} sources`)
  }
  const asDirectory = target.slash && (sources > 1 || !source.isDirectory)
  return asDirectory && !source.contents ? joinPath(target.path, source.name) : target.path
}

/** The target as the copy itself: what `pathForSource` says of a target that doesn't exist, whatever there is by now. */
export function exactPath(source: CopySource, target: CopyTarget): string {
  if (target.state === 'directory' && !source.isDirectory) {
    throw usageError(`"${target.shown}" is a directory, and can't become the copy of the file "${source.shown}"`)
  }
  return target.state === 'file' ? pathForSource(source, target, 1) : target.path
}
