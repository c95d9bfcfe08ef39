import { ShoalError } from '#foundation/errors.ts'

/** `read` and `update` need the file to exist; `create` needs it not to. All but `read` may write. */
export type OpenMode = 'read' | 'update' | 'create'

export interface FileFacts {
  readonly kind: 'file' | 'folder' | 'other'
  readonly sizeBytes: number
  readonly modifiedMs: number
  /** Permission bits. */
  readonly mode: number
}

export interface MediumSpace {
  readonly capacityBytes: number
  /** What an ordinary user may still write. */
  readonly freeBytes: number
}

/** An open file. Positions and sizes are bytes. Calls may overlap; what overlapping writes to one place leave is
 *  undefined. Failures are the system's errors, as for `Files`. */
export interface OpenFile {
  readonly path: string
  /** Fills `target` from `position`; answers how many bytes there were: fewer than asked only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes all pieces one after another from `position` on, short writes continued. If it fails, any part of them may
   *  have been written. Not durable until `datasync`. The pieces must not change meanwhile. */
  write(pieces: readonly Uint8Array[], position: number): Promise<void>
  /** Makes the contents and the size durable: all writes and truncations that completed before the call. The file's
   *  name is another matter: see `syncFolder`. After a failure nobody can say what the medium holds, and a repetition
   *  that succeeds proves nothing: the kernel reports a lost page once (the "fsyncgate" of PostgreSQL, 2018). */
  datasync(): Promise<void>
  /** As `write` and `datasync` after it, in one step where the system has that: for one small write after another. */
  writeThrough(pieces: readonly Uint8Array[], position: number): Promise<void>
  truncate(sizeBytes: number): Promise<void>
  facts(): Promise<FileFacts>
  setModified(modifiedMs: number): Promise<void>
  /** Takes the exclusive lock of the file without waiting; false if another opening of it has it, in this process or in
   *  another. The kernel releases it when the file is closed or the process dies. */
  tryLock(): boolean
  /** Repeating it is harmless. */
  close(): Promise<void>
}

export interface PublishOptions {
  /** Permission bits of the file: 0o644, less the process's umask, unless given. */
  readonly mode?: number
  /** Where the contents grow until they are complete: on the same medium; the file must not exist. A name beside the
   *  target unless given, of the form that `isTemporaryName` knows. */
  readonly temporaryPath?: string
  readonly modifiedMs?: number
  /** Folders above the file that were just made, or may have been: flushed together with the file's own. */
  readonly newFolders?: readonly string[]
}

/** The file system, as everything else in Shoal gets to see it. Paths are absolute.
 *
 *  Absence is `undefined` or false where a method says so. Failures are the system's errors with their `code` (`ENOSPC`,
 *  `EIO`, `ENOENT`…): callers translate them with `storageError`. A folder's changes (files made, renamed, removed in
 *  it) are durable after `syncFolder` of that folder, not before. */
export interface Files {
  /** `mode`: permission bits of a file that is created, 0o644 unless given. */
  open(path: string, how: OpenMode, mode?: number): Promise<OpenFile>
  /** The whole file, or `undefined` if there is none. */
  read(path: string): Promise<Buffer | undefined>
  /** Puts a complete file in place, replacing what is there in one step: temporary file, datasync, rename, sync of the
   *  folder. Durable when the promise resolves. After a crash the path holds the old contents or the new ones, never a
   *  mixture, and perhaps a temporary file is left beside it. An array of pieces goes to the system in one call; of
   *  another iterable each piece is asked for when the one before is written. They must not change meanwhile. */
  publish(path: string, pieces: Iterable<Uint8Array>, options?: PublishOptions): Promise<void>
  /** Replaces what is at `to`. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; false if there was none. */
  remove(path: string): Promise<boolean>
  /** Names in the folder, in no order, or `undefined` if there is no folder. */
  list(path: string): Promise<string[] | undefined>
  facts(path: string): Promise<FileFacts | undefined>
  setModified(path: string, modifiedMs: number): Promise<void>
  /** Makes one folder, whose parent must exist; false if it was there. Durable after `syncFolder` of the parent. */
  createFolder(path: string, mode?: number): Promise<boolean>
  /** Makes the folder and whatever of its parents is missing; `mode` is for the folder alone, if it is new. Durable when the promise resolves. */
  makeFolder(path: string, mode?: number): Promise<void>
  /** Makes the folder's entries durable: all changes that completed before the call. Callers at the same time share
   *  one flush. */
  syncFolder(path: string): Promise<void>
  space(path: string): Promise<MediumSpace>
}

/** The system's error code of a failed call, such as `ENOENT`. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** The error to pass on when the system refused to store something. A full medium or a used-up disk quota is NO_SPACE,
 *  a lack of file handles or memory BUSY, everything else STORAGE_FAILED. An error of Shoal's own passes unchanged. */
export function storageError(cause: unknown, doing: string): ShoalError {
  if (cause instanceof ShoalError) return cause
  const code = systemErrorCode(cause)
  if (code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM') {
    return new ShoalError('BUSY', `Cannot ${doing}: the system is out of file handles or memory (${code})`, { cause })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ShoalError('NO_SPACE', `Cannot ${doing}: no space is left on the medium`, { cause })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new ShoalError('STORAGE_FAILED', `Cannot ${doing}: ${reason}`, { cause })
}
