// What answers say, and their bytes. Offsets count from the end of the answer's header.
import { write64 } from './numbers.ts'
import type { FuseTime, LockKind } from './requests.ts'

/** What stat(2) shows of an inode. */
export interface FuseAttributes {
  /** Shown to programs; not the number by which the kernel asks. */
  readonly inode: number
  /** With the type bits of `st_mode`. */
  readonly mode: number
  readonly links: number
  readonly uid: number
  readonly gid: number
  /** As Linux encodes it in 32 bits. */
  readonly rdev: number
  readonly sizeBytes: number
  /** Of 512 bytes. */
  readonly blocks: number
  readonly blockSizeBytes: number
  readonly atime: FuseTime
  readonly mtime: FuseTime
  readonly ctime: FuseTime
  /** Where statx(2) should show one. */
  readonly btime?: FuseTime
}

/** How long the kernel may go on without asking again, unless it is told of a change. */
export interface Validity {
  readonly entryMs: number
  readonly attributesMs: number
}

/** An entry that was found or made. Each one counts as a look-up, to be undone by FORGET. */
export interface EntryReply {
  /** At least 1; with `absent`, nothing is there. */
  readonly nodeId: number
  /** `nodeId` with it is never used for two different inodes. */
  readonly generation: number
  readonly attributes: FuseAttributes
  readonly validity: Validity
}

/** Nothing has that name, and the kernel may remember so. */
export interface AbsentReply {
  readonly absentMs: number
}

export interface AttributesReply {
  readonly attributes: FuseAttributes
  readonly validMs: number
}

export interface OpenReply {
  readonly handle: number
  /** Of OPEN_FLAGS. */
  readonly flags: number
  /** With OPEN_FLAGS.PASSTHROUGH. */
  readonly backingId?: number
}

export interface CreateReply extends EntryReply, OpenReply {}

export interface StatfsReply {
  readonly blockSizeBytes: number
  readonly blocks: number
  readonly freeBlocks: number
  readonly availableBlocks: number
  readonly files: number
  readonly freeFiles: number
  readonly nameBytesMax: number
}

export interface LockReply {
  readonly start: bigint
  readonly end: bigint
  readonly kind: LockKind
  readonly pid: number
}

export interface IoctlReply {
  readonly result: number
  readonly output: Uint8Array
}

/** Fits every answer whose length doesn't vary. */
export const FIXED_REPLY_BYTES_MAX = 288

const ENTRY_BYTES = 128
const ATTRIBUTES_AT = 40

function writeValidity(out: Buffer, validMs: number, at: { readonly seconds: number; readonly nanoseconds: number }): void {
  write64(out, Math.floor(validMs / 1000), at.seconds)
  out.writeUInt32LE(Math.round((validMs % 1000) * 1e6), at.nanoseconds)
}

/** `struct fuse_attr`, 88 bytes. */
export function writeAttributes(out: Buffer, attributes: FuseAttributes, at: number): void {
  const { atime, mtime, ctime } = attributes
  write64(out, attributes.inode, at)
  write64(out, attributes.sizeBytes, at + 8)
  write64(out, attributes.blocks, at + 16)
  write64(out, atime.seconds, at + 24)
  write64(out, mtime.seconds, at + 32)
  write64(out, ctime.seconds, at + 40)
  out.writeUInt32LE(atime.nanoseconds, at + 48)
  out.writeUInt32LE(mtime.nanoseconds, at + 52)
  out.writeUInt32LE(ctime.nanoseconds, at + 56)
  out.writeUInt32LE(attributes.mode, at + 60)
  out.writeUInt32LE(attributes.links, at + 64)
  out.writeUInt32LE(attributes.uid, at + 68)
  out.writeUInt32LE(attributes.gid, at + 72)
  out.writeUInt32LE(attributes.rdev, at + 76)
  out.writeUInt32LE(attributes.blockSizeBytes, at + 80)
  out.writeUInt32LE(0, at + 84)
}

/** `struct fuse_entry_out`. */
export function writeEntry(reply: EntryReply | AbsentReply, out: Buffer, at = 0): number {
  if ('absentMs' in reply) {
    out.fill(0, at, at + ENTRY_BYTES)
    writeValidity(out, reply.absentMs, { seconds: at + 16, nanoseconds: at + 32 })
    return ENTRY_BYTES
  }
  write64(out, reply.nodeId, at)
  write64(out, reply.generation, at + 8)
  writeValidity(out, reply.validity.entryMs, { seconds: at + 16, nanoseconds: at + 32 })
  writeValidity(out, reply.validity.attributesMs, { seconds: at + 24, nanoseconds: at + 36 })
  writeAttributes(out, reply.attributes, at + ATTRIBUTES_AT)
  return ENTRY_BYTES
}

/** `struct fuse_attr_out`. */
export function writeAttributesReply(reply: AttributesReply, out: Buffer): number {
  writeValidity(out, reply.validMs, { seconds: 0, nanoseconds: 8 })
  out.writeUInt32LE(0, 12)
  writeAttributes(out, reply.attributes, 16)
  return 104
}

/** `struct fuse_open_out`. */
export function writeOpen(reply: OpenReply, out: Buffer, at = 0): number {
  write64(out, reply.handle, at)
  out.writeUInt32LE(reply.flags, at + 8)
  out.writeInt32LE(reply.backingId ?? 0, at + 12)
  return 16
}

export function writeCreate(reply: CreateReply, out: Buffer): number {
  return writeEntry(reply, out) + writeOpen(reply, out, ENTRY_BYTES)
}

/** What WRITE and COPY_FILE_RANGE took (`struct fuse_write_out`). */
export function writeWritten(bytes: number, out: Buffer): number {
  out.writeUInt32LE(bytes, 0)
  out.writeUInt32LE(0, 4)
  return 8
}

/** What LSEEK found, and COPY_FILE_RANGE_64 copied. */
export function writeOffset(offset: number, out: Buffer): number {
  write64(out, offset, 0)
  return 8
}

/** `struct fuse_statfs_out`. */
export function writeStatfs(reply: StatfsReply, out: Buffer): number {
  out.fill(0, 0, 80)
  write64(out, reply.blocks, 0)
  write64(out, reply.freeBlocks, 8)
  write64(out, reply.availableBlocks, 16)
  write64(out, reply.files, 24)
  write64(out, reply.freeFiles, 32)
  out.writeUInt32LE(reply.blockSizeBytes, 40)
  out.writeUInt32LE(reply.nameBytesMax, 44)
  out.writeUInt32LE(reply.blockSizeBytes, 48)
  return 80
}

const LOCK_TYPES = { read: 0, write: 1, unlock: 2 } as const

/** `struct fuse_lk_out`. */
export function writeLock(reply: LockReply, out: Buffer): number {
  out.writeBigUInt64LE(reply.start, 0)
  out.writeBigUInt64LE(reply.end, 8)
  out.writeUInt32LE(LOCK_TYPES[reply.kind], 16)
  out.writeUInt32LE(reply.pid, 20)
  return 24
}

/** The length of an extended attribute, or of the list of them (`struct fuse_getxattr_out`). */
export function writeXattrLength(bytes: number, out: Buffer): number {
  return writeWritten(bytes, out)
}

/** `struct fuse_ioctl_out`, and what it answers. */
export function ioctlBytes(reply: IoctlReply): Buffer {
  const out = Buffer.alloc(16 + reply.output.length)
  out.writeInt32LE(reply.result, 0)
  out.set(reply.output, 16)
  return out
}

/** `struct fuse_poll_out`. */
export function writePoll(events: number, out: Buffer): number {
  return writeWritten(events, out)
}

const STATX_BASIC_STATS = 0x7ff
const STATX_BTIME = 0x800

function writeStatxTime(out: Buffer, time: FuseTime, at: number): void {
  write64(out, time.seconds, at)
  out.writeUInt32LE(time.nanoseconds, at + 8)
}

/** `struct fuse_statx_out`. */
export function writeStatx({ attributes, validMs }: AttributesReply, out: Buffer): number {
  out.fill(0, 0, FIXED_REPLY_BYTES_MAX)
  writeValidity(out, validMs, { seconds: 0, nanoseconds: 8 })
  out.writeUInt32LE(STATX_BASIC_STATS | (attributes.btime === undefined ? 0 : STATX_BTIME), 32)
  out.writeUInt32LE(attributes.blockSizeBytes, 36)
  out.writeUInt32LE(attributes.links, 48)
  out.writeUInt32LE(attributes.uid, 52)
  out.writeUInt32LE(attributes.gid, 56)
  out.writeUInt16LE(attributes.mode, 60)
  write64(out, attributes.inode, 64)
  write64(out, attributes.sizeBytes, 72)
  write64(out, attributes.blocks, 80)
  writeStatxTime(out, attributes.atime, 96)
  if (attributes.btime !== undefined) writeStatxTime(out, attributes.btime, 112)
  writeStatxTime(out, attributes.ctime, 128)
  writeStatxTime(out, attributes.mtime, 144)
  // `rdev` has 12 bits of major and 20 of minor, the upper 12 of these above the major.
  out.writeUInt32LE((attributes.rdev >>> 8) & 0xfff, 160)
  out.writeUInt32LE((attributes.rdev & 0xff) | ((attributes.rdev >>> 12) & 0xf_ff00), 164)
  return FIXED_REPLY_BYTES_MAX
}
