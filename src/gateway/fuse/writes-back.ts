import type { InodeId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { Change } from '#volume/volume.ts'

/** A volume that answers before the cluster has a change, or collects what is written to a file until that is closed. */
export interface WritesBack {
  /** Under which number an inode of the cluster is shown. */
  shownInode(inode: InodeId): InodeId
  /** Which inode of the cluster is shown under a number, once the cluster has it. */
  storedInode(inode: InodeId): InodeId
  /** The kernel has let go of an inode that was shown. */
  forgotten(inode: InodeId): void
  changedByOthers(change: Change): void
  /** What is known of a file, or of all, may not be what others have stored: whoever opens it asks. */
  doubt(path?: Path): void
  /** What others have changed isn't known. */
  lostTrack(): void
  /** A file was closed, for which nothing waits that was written to it. */
  closed?(path: Path): void
  /** Resolves when the cluster has what was changed at a path, or in the directory there. @throws why it doesn't */
  sync(path: Path): Promise<void>
  /** The same of all that is pending. */
  drain(): Promise<void>
  /** What `close` waits for, of a file that the volume collects until it is closed. @throws why it isn't stored */
  publish?(path: Path): Promise<void>
  /** Whether something waits for that, of a file or at all. */
  collects?(path?: Path): boolean
  /** Gives up what of a file isn't stored. */
  discard?(path: Path): void
}
