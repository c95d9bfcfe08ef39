import type { DirectoryPage } from './directory-page.ts'
import type { FuseError } from './errno.ts'
import type * as replies from './replies.ts'
import type * as requests from './requests.ts'

/** Who asks, and whether the answer still matters. */
export interface Caller {
  /** The inode that the request is about. */
  readonly nodeId: number
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** Aborted when the process that waits is interrupted, the request's time is up, or the session ends. Made when first
   *  looked at. */
  readonly signal: AbortSignal
}

/** At once, or later. A FuseError may be returned as well as thrown. */
export type Answer<T> = T | FuseError | Promise<T | FuseError>

type Handler<Request, Reply> = (request: Request, caller: Caller) => Answer<Reply>

/** What a file system does with the requests of one session.
 *
 *  A handler that is left out is one that the file system will never have: the kernel hears ENOSYS once, and does without. What
 *  fails for now must answer another error. ShoalErrors are translated; anything else that is thrown is a defect: logged, and
 *  answered with EIO.
 *
 *  Requests come in the kernel's order, and handlers that answer later overlap. The kernel holds a directory's lock around
 *  what changes it. A handler must not itself touch the mount.
 *
 *  Each EntryReply with a node, each CreateReply and each entry of READDIRPLUS except "." and ".." counts as one look-up of that
 *  node, until `forget` takes it back. Handles belong to the file system from `open` until `release`. A reply that the kernel
 *  no longer wanted is undone by the session, through `forget` and `release`. */
export interface FuseOperations {
  /** Once, before all else. */
  readonly init?: () => void
  /** The kernel unmounts, and asks nothing more. */
  readonly destroy?: () => void
  readonly forget: (forgotten: readonly requests.ForgetRequest[]) => void

  readonly lookup: Handler<requests.NamedRequest, replies.EntryReply | replies.AbsentReply>
  readonly getattr: Handler<requests.GetattrRequest, replies.AttributesReply>
  readonly statx?: Handler<requests.StatxRequest, replies.AttributesReply>
  readonly setattr?: Handler<requests.SetattrRequest, replies.AttributesReply>
  readonly access?: Handler<requests.AccessRequest, void>
  readonly statfs?: Handler<void, replies.StatfsReply>

  readonly readlink?: Handler<void, Buffer>
  readonly symlink?: Handler<requests.SymlinkRequest, replies.EntryReply>
  readonly mknod?: Handler<requests.MknodRequest, replies.EntryReply>
  readonly mkdir?: Handler<requests.MkdirRequest, replies.EntryReply>
  readonly unlink?: Handler<requests.NamedRequest, void>
  readonly rmdir?: Handler<requests.NamedRequest, void>
  readonly rename?: Handler<requests.RenameRequest, void>
  readonly link?: Handler<requests.LinkRequest, replies.EntryReply>

  readonly opendir?: Handler<requests.OpenRequest, replies.OpenReply>
  /** Fills `page` from the entry whose `nextOffset` was `offset` on; from the first one at 0. */
  readonly readdir?: Handler<requests.ReadRequest & { readonly page: DirectoryPage }, void>
  readonly releasedir?: Handler<requests.ReleaseRequest, void>
  readonly fsyncdir?: Handler<requests.FsyncRequest, void>

  readonly open?: Handler<requests.OpenRequest, replies.OpenReply>
  readonly create?: Handler<requests.CreateRequest, replies.CreateReply>
  readonly tmpfile?: Handler<requests.CreateRequest, replies.CreateReply>
  /** At most `sizeBytes`; fewer only at the end of the file. The session is done with the bytes when it has been given them. */
  readonly read?: Handler<requests.ReadRequest, Uint8Array>
  /** How many bytes were taken. */
  readonly write?: Handler<requests.WriteRequest, number>
  readonly flush?: Handler<requests.FlushRequest, void>
  readonly fsync?: Handler<requests.FsyncRequest, void>
  readonly release?: Handler<requests.ReleaseRequest, void>
  readonly fallocate?: Handler<requests.FallocateRequest, void>
  readonly lseek?: Handler<requests.LseekRequest, number>
  /** How many bytes were copied. */
  readonly copyFileRange?: Handler<requests.CopyFileRangeRequest, number>
  readonly syncfs?: Handler<void, void>

  readonly setxattr?: Handler<requests.SetxattrRequest, void>
  /** The value, whatever room there is for it. */
  readonly getxattr?: Handler<requests.GetxattrRequest, Buffer>
  /** Each name with a NUL behind it, whatever room there is for them. */
  readonly listxattr?: Handler<requests.ListxattrRequest, Buffer>
  readonly removexattr?: Handler<requests.NamedRequest, void>

  readonly getlk?: Handler<requests.LockRequest, replies.LockReply>
  /** EAGAIN when somebody else's lock is in the way. */
  readonly setlk?: Handler<requests.LockRequest, void>
  /** Waits instead, as long as the caller's signal lets it. */
  readonly setlkw?: Handler<requests.LockRequest, void>
  readonly ioctl?: Handler<requests.IoctlRequest, replies.IoctlReply>
  readonly poll?: Handler<requests.PollRequest, number>
}
