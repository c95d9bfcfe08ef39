// The bodies of requests. Offsets count from the start of the message, header included.
import { decodeName } from '#foundation/name.ts'
import { FuseError, refusal } from './errno.ts'
import { readI64, readU64 } from './numbers.ts'
import { SETATTR_VALID } from './opcodes.ts'
import type * as requests from './requests.ts'

const OPEN_KILL_SUIDGID = 1
/** open(2). */
const O_APPEND = 0o2000
const WRITE_CACHE = 1
const WRITE_KILL_SUIDGID = 4
const RELEASE_FLOCK_UNLOCK = 2
const GETATTR_FH = 1
const FSYNC_FDATASYNC = 1
const LK_FLOCK = 1
const LOCK_KINDS = ['read', 'write', 'unlock'] as const
const WRITE_DATA_AT = 80
const FORGET_ONE_BYTES = 16

/** A request's message, without what follows its body. Decoders throw FuseError EPROTO when it is too short for what it says. */
export type Body = Buffer

function need(body: Body, bytes: number): void {
  if (body.length < bytes) throw new FuseError('EPROTO')
}

/** The bytes from `at` up to the next NUL. */
function bytesUntilNul(body: Body, at: number): Buffer {
  const end = at < body.length ? body.indexOf(0, at) : -1
  if (end < 0) throw new FuseError('EPROTO')
  return body.subarray(at, end)
}

function nameAt(body: Body, at: number): { readonly name: string; readonly next: number } {
  const bytes = bytesUntilNul(body, at)
  return { name: decodeName(bytes), next: at + bytes.length + 1 }
}

/** LOOKUP, UNLINK, RMDIR, REMOVEXATTR. */
export function decodeNamed(body: Body): requests.NamedRequest {
  return { name: nameAt(body, 40).name }
}

export function decodeForget(body: Body, nodeId: number): readonly requests.ForgetRequest[] {
  need(body, 48)
  return [{ nodeId, lookups: readU64(body, 40) }]
}

export function decodeBatchForget(body: Body): readonly requests.ForgetRequest[] {
  need(body, 48)
  const count = body.readUInt32LE(40)
  need(body, 48 + count * FORGET_ONE_BYTES)
  return Array.from({ length: count }, (_, index) => {
    const at = 48 + index * FORGET_ONE_BYTES
    return { nodeId: readU64(body, at), lookups: readU64(body, at + 8) }
  })
}

export function decodeGetattr(body: Body): requests.GetattrRequest {
  need(body, 56)
  return { handle: (body.readUInt32LE(40) & GETATTR_FH) === 0 ? undefined : readU64(body, 48) }
}

export function decodeStatx(body: Body): requests.StatxRequest {
  need(body, 64)
  return { ...decodeGetattr(body), mask: body.readUInt32LE(60) }
}

export function decodeSetattr(body: Body): requests.SetattrRequest {
  need(body, 128)
  const valid = body.readUInt32LE(40)
  const has = (bit: number): boolean => (valid & bit) !== 0
  const time = (at: number, nanosecondsAt: number): requests.FuseTime => ({
    seconds: readI64(body, at),
    nanoseconds: body.readUInt32LE(nanosecondsAt),
  })
  return {
    handle: has(SETATTR_VALID.FH) ? readU64(body, 48) : undefined,
    sizeBytes: has(SETATTR_VALID.SIZE) ? readU64(body, 56) : undefined,
    atime: has(SETATTR_VALID.ATIME_NOW) ? 'now' : has(SETATTR_VALID.ATIME) ? time(72, 96) : undefined,
    mtime: has(SETATTR_VALID.MTIME_NOW) ? 'now' : has(SETATTR_VALID.MTIME) ? time(80, 100) : undefined,
    ctime: has(SETATTR_VALID.CTIME) ? time(88, 104) : undefined,
    mode: has(SETATTR_VALID.MODE) ? body.readUInt32LE(108) : undefined,
    uid: has(SETATTR_VALID.UID) ? body.readUInt32LE(116) : undefined,
    gid: has(SETATTR_VALID.GID) ? body.readUInt32LE(120) : undefined,
    killPrivileges: has(SETATTR_VALID.KILL_SUIDGID),
    changesNothing: (valid & ~(SETATTR_VALID.FH | SETATTR_VALID.LOCKOWNER | SETATTR_VALID.CTIME)) === 0,
  }
}

export function decodeSymlink(body: Body): requests.SymlinkRequest {
  const { name, next } = nameAt(body, 40)
  return { name, target: Buffer.from(bytesUntilNul(body, next)) }
}

export function decodeMknod(body: Body): requests.MknodRequest {
  need(body, 56)
  return {
    mode: body.readUInt32LE(40),
    rdev: body.readUInt32LE(44),
    umask: body.readUInt32LE(48),
    name: nameAt(body, 56).name,
  }
}

export function decodeMkdir(body: Body): requests.MkdirRequest {
  need(body, 48)
  return { mode: body.readUInt32LE(40), umask: body.readUInt32LE(44), name: nameAt(body, 48).name }
}

export function decodeLink(body: Body): requests.LinkRequest {
  need(body, 48)
  return { oldNodeId: readU64(body, 40), name: nameAt(body, 48).name }
}

export function decodeRename(body: Body): requests.RenameRequest {
  need(body, 48)
  const { name, next } = nameAt(body, 48)
  return { newParentId: readU64(body, 40), flags: 0, name, newName: nameAt(body, next).name }
}

export function decodeRename2(body: Body): requests.RenameRequest {
  need(body, 56)
  const { name, next } = nameAt(body, 56)
  return { newParentId: readU64(body, 40), flags: body.readUInt32LE(48), name, newName: nameAt(body, next).name }
}

/** OPEN, OPENDIR. */
export function decodeOpen(body: Body): requests.OpenRequest {
  need(body, 48)
  return { flags: body.readUInt32LE(40), killPrivileges: (body.readUInt32LE(44) & OPEN_KILL_SUIDGID) !== 0 }
}

/** CREATE, TMPFILE. */
export function decodeCreate(body: Body): requests.CreateRequest {
  need(body, 56)
  return {
    flags: body.readUInt32LE(40),
    mode: body.readUInt32LE(44),
    umask: body.readUInt32LE(48),
    killPrivileges: (body.readUInt32LE(52) & OPEN_KILL_SUIDGID) !== 0,
    name: nameAt(body, 56).name,
  }
}

/** READ, READDIR, READDIRPLUS. */
export function decodeRead(body: Body): requests.ReadRequest {
  need(body, 80)
  return { handle: readU64(body, 40), offset: readU64(body, 48), sizeBytes: body.readUInt32LE(56) }
}

export function decodeWrite(body: Body): requests.WriteRequest {
  need(body, WRITE_DATA_AT)
  const sizeBytes = body.readUInt32LE(56)
  need(body, WRITE_DATA_AT + sizeBytes)
  const flags = body.readUInt32LE(60)
  return {
    handle: readU64(body, 40),
    offset: readU64(body, 48),
    data: body.subarray(WRITE_DATA_AT, WRITE_DATA_AT + sizeBytes),
    fromCache: (flags & WRITE_CACHE) !== 0,
    isAppend: (flags & WRITE_CACHE) === 0 && (body.readUInt32LE(72) & O_APPEND) !== 0,
    killPrivileges: (flags & WRITE_KILL_SUIDGID) !== 0,
  }
}

/** RELEASE, RELEASEDIR. */
export function decodeRelease(body: Body): requests.ReleaseRequest {
  need(body, 64)
  return {
    handle: readU64(body, 40),
    flags: body.readUInt32LE(48),
    unlockFlock: (body.readUInt32LE(52) & RELEASE_FLOCK_UNLOCK) !== 0,
    lockOwner: body.readBigUInt64LE(56),
  }
}

export function decodeFlush(body: Body): requests.FlushRequest {
  need(body, 64)
  return { handle: readU64(body, 40), lockOwner: body.readBigUInt64LE(56) }
}

/** FSYNC, FSYNCDIR. */
export function decodeFsync(body: Body): requests.FsyncRequest {
  need(body, 56)
  return { handle: readU64(body, 40), dataOnly: (body.readUInt32LE(48) & FSYNC_FDATASYNC) !== 0 }
}

/** Without SETXATTR_EXT, and with it: the name begins 8 bytes later. */
export function decodeSetxattr(body: Body, { isExtended }: { readonly isExtended: boolean }): requests.SetxattrRequest {
  const nameFrom = isExtended ? 56 : 48
  need(body, nameFrom)
  const { name, next } = nameAt(body, nameFrom)
  const sizeBytes = body.readUInt32LE(40)
  need(body, next + sizeBytes)
  const killSetgid = isExtended && (body.readUInt32LE(48) & 1) === 1
  return { flags: body.readUInt32LE(44), killSetgid, name, value: Buffer.from(body.subarray(next, next + sizeBytes)) }
}

export function decodeGetxattr(body: Body): requests.GetxattrRequest {
  need(body, 48)
  return { sizeBytes: body.readUInt32LE(40), name: nameAt(body, 48).name }
}

export function decodeListxattr(body: Body): requests.ListxattrRequest {
  need(body, 48)
  return { sizeBytes: body.readUInt32LE(40) }
}

export function decodeAccess(body: Body): requests.AccessRequest {
  need(body, 48)
  return { mask: body.readUInt32LE(40) }
}

/** GETLK, SETLK, SETLKW. */
export function decodeLock(body: Body): requests.LockRequest {
  need(body, 88)
  const kind = LOCK_KINDS[body.readUInt32LE(72)]
  if (kind === undefined) throw new FuseError('EINVAL')
  return {
    handle: readU64(body, 40),
    owner: body.readBigUInt64LE(48),
    start: body.readBigUInt64LE(56),
    end: body.readBigUInt64LE(64),
    kind,
    pid: body.readUInt32LE(76),
    isFlock: (body.readUInt32LE(80) & LK_FLOCK) !== 0,
  }
}

/** Which request is to be interrupted: its `unique`, in two halves. */
export function decodeInterrupt(body: Body): { readonly low: number; readonly high: number } {
  need(body, 48)
  return { low: body.readUInt32LE(40), high: body.readUInt32LE(44) }
}

/** @throws FuseError EFBIG for a range that no file here can have */
export function decodeFallocate(body: Body): requests.FallocateRequest {
  need(body, 72)
  return {
    handle: readU64(body, 40),
    offset: positionAt(body, 48),
    lengthBytes: positionAt(body, 56),
    mode: body.readUInt32LE(64),
  }
}

function positionAt(body: Body, at: number): number {
  try {
    return readU64(body, at)
  } catch {
    throw refusal('EFBIG')
  }
}

export function decodeLseek(body: Body): requests.LseekRequest {
  need(body, 64)
  return { handle: readU64(body, 40), offset: readI64(body, 48), whence: body.readUInt32LE(56) }
}

/** COPY_FILE_RANGE, COPY_FILE_RANGE_64: they differ in the answer only. */
export function decodeCopyFileRange(body: Body): requests.CopyFileRangeRequest {
  need(body, 96)
  return {
    handle: readU64(body, 40),
    offset: readU64(body, 48),
    targetNodeId: readU64(body, 56),
    targetHandle: readU64(body, 64),
    targetOffset: readU64(body, 72),
    lengthBytes: Math.min(body.readUInt32LE(84) * 2 ** 32 + body.readUInt32LE(80), Number.MAX_SAFE_INTEGER),
  }
}

export function decodeIoctl(body: Body): requests.IoctlRequest {
  need(body, 72)
  const inputBytes = body.readUInt32LE(64)
  need(body, 72 + inputBytes)
  return {
    handle: readU64(body, 40),
    command: body.readUInt32LE(52),
    input: Buffer.from(body.subarray(72, 72 + inputBytes)),
    outputBytesMax: body.readUInt32LE(68),
  }
}

export function decodePoll(body: Body): requests.PollRequest {
  need(body, 64)
  return { handle: readU64(body, 40), kernelHandle: body.readBigUInt64LE(48), events: body.readUInt32LE(60) }
}
