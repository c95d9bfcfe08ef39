/** A file that is read without waiting for another thread: for a few KiB at a time that are in the page cache, which are
 *  there sooner than a thread is woken. Failures are the system's errors, as for `Files`. */
export interface BlockingFile {
  /** Fills `target` from `position`, and gives how many bytes there were: fewer than asked only at the end of the file. */
  read(target: Uint8Array, position: number): number
  /** Once. */
  close(): void
}
