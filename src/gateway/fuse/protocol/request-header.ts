import { FuseError } from './errno.ts'
import { readU64 } from './numbers.ts'

export const REQUEST_HEADER_BYTES = 40
export const REPLY_HEADER_BYTES = 16

/** The 40 bytes before each request (`struct fuse_in_header`). */
export interface RequestHeader {
  readonly opcode: number
  /** The kernel's number of the request. It goes back as it came, bit for bit. */
  readonly uniqueLow: number
  readonly uniqueHigh: number
  /** The inode that the request is about, by the number that an answer of ours gave it; 1 is the root, 0 none. */
  readonly nodeId: number
  /** Of the process that asks; 0 where the kernel asks for itself. */
  readonly uid: number
  readonly gid: number
  readonly pid: number
  /** Where the request ends and extensions begin. */
  readonly bodyEnd: number
}

/** @throws FuseError EPROTO for what no kernel sends */
export function decodeRequestHeader(message: Buffer): RequestHeader {
  if (message.length < REQUEST_HEADER_BYTES || message.readUInt32LE(0) !== message.length) throw new FuseError('EPROTO')
  const bodyEnd = message.length - message.readUInt16LE(36) * 8
  if (bodyEnd < REQUEST_HEADER_BYTES) throw new FuseError('EPROTO')
  return {
    opcode: message.readUInt32LE(4),
    uniqueLow: message.readUInt32LE(8),
    uniqueHigh: message.readUInt32LE(12),
    nodeId: readU64(message, 16),
    uid: message.readUInt32LE(24),
    gid: message.readUInt32LE(28),
    pid: message.readUInt32LE(32),
    bodyEnd,
  }
}

/** One number for the 64 bits of `unique`, for use as a key. The kernel counts from 0 in steps of 2, and sets the topmost bit
 *  of what it sends a second time: those become negative. */
export function uniqueKey(low: number, high: number): number {
  return high < 0x8000_0000 ? high * 0x1_0000_0000 + low : -((high - 0x8000_0000) * 0x1_0000_0000 + low) - 1
}

/** Fills the 16 bytes before each answer (`struct fuse_out_header`). */
export function writeReplyHeader(
  out: Buffer,
  reply: {
    readonly lengthBytes: number
    readonly errno: number
    readonly header: Pick<RequestHeader, 'uniqueLow' | 'uniqueHigh'>
  },
): void {
  out.writeUInt32LE(reply.lengthBytes, 0)
  out.writeInt32LE(-reply.errno, 4)
  out.writeUInt32LE(reply.header.uniqueLow, 8)
  out.writeUInt32LE(reply.header.uniqueHigh, 12)
}
