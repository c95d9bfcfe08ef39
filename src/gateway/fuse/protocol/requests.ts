// What each request says, decoded. Names are as `decodeName` makes them.

/** The inode, and the name in it. */
export interface NamedRequest {
  readonly name: string
}

/** Seconds since 1970, and nanoseconds of that second. */
export interface FuseTime {
  readonly seconds: number
  readonly nanoseconds: number
}

export interface ForgetRequest {
  readonly nodeId: number
  /** How many look-ups fewer the kernel remembers. */
  readonly lookups: number
}

export interface GetattrRequest {
  readonly handle: number | undefined
}

export interface StatxRequest extends GetattrRequest {
  readonly mask: number
}

export interface SetattrRequest {
  readonly handle: number | undefined
  /** Permission bits, with the file type as `st_mode` has it. */
  readonly mode: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
  readonly sizeBytes: number | undefined
  readonly atime: FuseTime | 'now' | undefined
  readonly mtime: FuseTime | 'now' | undefined
  readonly ctime: FuseTime | undefined
  /** Setuid and setgid bits go (HANDLE_KILLPRIV_V2). */
  readonly killPrivileges: boolean
  /** chown(2) without an owner and without a group, which nevertheless takes setuid and setgid away. The kernel says no more of it, and
   *  lets through who may not; it asks the same before it allocates or copies for who may write. */
  readonly changesNothing: boolean
}

export interface SymlinkRequest extends NamedRequest {
  readonly target: Buffer
}

export interface MknodRequest extends NamedRequest {
  readonly mode: number
  readonly rdev: number
  readonly umask: number
}

export interface MkdirRequest extends NamedRequest {
  readonly mode: number
  readonly umask: number
}

export interface LinkRequest extends NamedRequest {
  /** The inode that gets a further name. */
  readonly oldNodeId: number
}

export interface RenameRequest extends NamedRequest {
  readonly newParentId: number
  readonly newName: string
  /** Of renameat2(2): 1 no-replace, 2 exchange. */
  readonly flags: number
}

export interface OpenRequest {
  /** As open(2) has them. */
  readonly flags: number
  readonly killPrivileges: boolean
}

export interface CreateRequest extends NamedRequest, OpenRequest {
  readonly mode: number
  readonly umask: number
}

export interface ReadRequest {
  readonly handle: number
  readonly offset: number
  readonly sizeBytes: number
}

export interface WriteRequest {
  readonly handle: number
  readonly offset: number
  /** Valid until the handler returns; one that goes on afterwards takes a copy. */
  readonly data: Buffer
  /** The kernel writes back what it had cached, for no process in particular. */
  readonly fromCache: boolean
  /** Meant for the end of the file, which is at `offset` as far as the kernel knows. */
  readonly isAppend: boolean
  readonly killPrivileges: boolean
}

export interface ReleaseRequest {
  readonly handle: number
  readonly flags: number
  /** The locks of flock(2) that this one holds go. */
  readonly unlockFlock: boolean
  readonly lockOwner: bigint
}

export interface FlushRequest {
  readonly handle: number
  /** The locks of fcntl(2) of this one go. */
  readonly lockOwner: bigint
}

export interface FsyncRequest {
  readonly handle: number
  readonly dataOnly: boolean
}

export interface SetxattrRequest extends NamedRequest {
  readonly value: Buffer
  /** Of setxattr(2): 1 create, 2 replace. */
  readonly flags: number
  /** The setgid bit goes with an access list (SETXATTR_EXT). */
  readonly killSetgid: boolean
}

export interface GetxattrRequest extends NamedRequest {
  /** 0: only the length is asked for. */
  readonly sizeBytes: number
}

export interface ListxattrRequest {
  readonly sizeBytes: number
}

export interface AccessRequest {
  /** 4 read, 2 write, 1 execute. */
  readonly mask: number
}

export type LockKind = 'read' | 'write' | 'unlock'

export interface LockRequest {
  readonly handle: number
  readonly owner: bigint
  /** First byte, and last byte: 2^63 - 1 stands for the end of the file. */
  readonly start: bigint
  readonly end: bigint
  readonly kind: LockKind
  readonly pid: number
  readonly isFlock: boolean
}

export interface FallocateRequest {
  readonly handle: number
  readonly offset: number
  readonly lengthBytes: number
  /** Of fallocate(2): 1 keep size, 2 punch hole, 16 zero range … */
  readonly mode: number
}

export interface LseekRequest {
  readonly handle: number
  readonly offset: number
  /** 3 SEEK_DATA, 4 SEEK_HOLE; the kernel answers the others itself. */
  readonly whence: number
}

export interface CopyFileRangeRequest {
  readonly handle: number
  readonly offset: number
  readonly targetNodeId: number
  readonly targetHandle: number
  readonly targetOffset: number
  readonly lengthBytes: number
}

export interface IoctlRequest {
  readonly handle: number
  readonly command: number
  readonly input: Buffer
  readonly outputBytesMax: number
}

export interface PollRequest {
  readonly handle: number
  /** Names the waiter in a later wake-up. */
  readonly kernelHandle: bigint
  readonly events: number
}
