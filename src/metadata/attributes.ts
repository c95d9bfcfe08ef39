import type { InodeId } from '#foundation/ids.ts'

export const FILE_TYPES = ['file', 'directory', 'symlink', 'fifo', 'socket', 'character-device', 'block-device'] as const
export type FileType = (typeof FILE_TYPES)[number]

/** What an inode is, without its contents. Times are nanoseconds since 1970, UTC. */
export interface Attributes {
  readonly inode: InodeId
  readonly type: FileType
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Hard links; for a directory 2 and one more for each directory in it. */
  readonly links: number
  /** Length of the contents; of a symbolic link's target; 0 for directories and special files. */
  readonly sizeBytes: number
  /** Of a file: what is stored of it and what is set aside for it, also beyond its end. Without it, as much as its length. */
  readonly occupiedBytes?: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly btimeNs: bigint
  /** Device number of a special file, else 0. */
  readonly rdev: number
  /** Grows with every change of the contents and never otherwise: inode and version together name one content. */
  readonly version: number
  /** SHA-256 of the whole contents, where it is known. */
  readonly sha256: Buffer | undefined
  /** Whether it has extended attributes; not known of the entries of eventual volumes. */
  readonly hasXattrs?: boolean
}

/** The entity tag of RFC 9110: strong, and different for any two contents that a path has ever had. */
export function entityTag(attributes: Pick<Attributes, 'inode' | 'version'>): string {
  return `"${attributes.inode.toString(16)}-${attributes.version.toString(16)}"`
}
