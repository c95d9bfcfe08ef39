/** A file that only grows, written and read without waiting for another thread: a few KiB at a time go to and from the page cache
 *  sooner than a thread is woken. Positions and sizes are bytes. Failures are the system's errors, as for `Files`. */
export interface AppendFile {
  readonly sizeBytes: number
  /** Writes all pieces at the end; what it had written of them before it failed is taken back. The process may be killed after it:
   *  they are there. Not durable until `datasync`. Gives where they begin. */
  append(pieces: readonly Uint8Array[]): number
  /** Writes bytes to a place of their own while this thread goes on, into a file to which nothing is appended; what is before it and was never
   *  written is zeros. They are its until the promise resolves. */
  writeAt(position: number, bytes: Uint8Array): Promise<void>
  /** Fills `target` from `position`, and gives how many bytes there were. */
  read(target: Uint8Array, position: number): number
  /** Takes away what is behind `sizeBytes`. */
  cut(sizeBytes: number): void
  /** Makes all appended before durable. Only this one waits. */
  datasync(): Promise<void>
  /** Takes the exclusive lock of the file; false if somebody else has it. It goes with the process. */
  tryLock(): boolean
  /** Once. A file that was removed goes with it. */
  close(): void
  /** The same for a file that was removed and of which nothing is wanted any more: its pages and blocks are given back while this thread goes on,
   *  which takes some ms for 32 MiB. */
  drop(): void
}

/** Folders of such files. */
export interface AppendFiles {
  /** Opens the file, and makes it (mode 0600) with its folder where it isn't there. */
  open(path: string): AppendFile
  /** Names in a folder, in order; none if there is no folder. */
  list(folder: string): readonly string[]
  remove(path: string): void
}
