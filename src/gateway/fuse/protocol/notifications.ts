// Messages that tell the kernel what no request had asked for.
import { encodeName } from '#foundation/name.ts'
import { write64 } from './numbers.ts'
import { NOTIFY_CODES } from './opcodes.ts'
import { REPLY_HEADER_BYTES } from './request-header.ts'

const NAME_BYTES_MAX = 255
const EXPIRE_ONLY = 1

export type Notification =
  /** The attributes are out of date and, from `offset` on, `length` bytes of the contents: 0 for all that follow. */
  | {
      readonly kind: 'inode'
      readonly nodeId: number
      readonly data?: { readonly offset: number; readonly length: number }
    }
  /** The entry is out of date. `expireOnly`: it is asked for anew, but stays mounted on and open as it is. */
  | { readonly kind: 'entry'; readonly parentId: number; readonly name: string; readonly expireOnly?: boolean }
  /** The entry is gone: watchers are told. */
  | { readonly kind: 'deleted'; readonly parentId: number; readonly childId: number; readonly name: string }
  /** Bytes for the kernel's cache. */
  | { readonly kind: 'store'; readonly nodeId: number; readonly offset: number; readonly data: Uint8Array }
  /** All that isn't answered should be asked again. */
  | { readonly kind: 'resend' }
  /** All names are out of date, those that are known to be absent too (Linux 6.16). */
  | { readonly kind: 'epoch' }
  /** Inodes that the kernel should forget if nothing uses them. */
  | { readonly kind: 'prune'; readonly nodeIds: readonly number[] }

/** The message of `notification`. @throws RangeError for a name of more than 255 bytes */
export function encodeNotification(notification: Notification): Buffer {
  switch (notification.kind) {
    case 'inode':
      return encodeInode(notification)
    case 'entry': {
      const { out, name } = frameOfName(NOTIFY_CODES.INVAL_ENTRY, 16, notification.name)
      write64(out, notification.parentId, 16)
      out.writeUInt32LE(name.length, 24)
      out.writeUInt32LE(notification.expireOnly === true ? EXPIRE_ONLY : 0, 28)
      out.set(name, 32)
      return out
    }
    case 'deleted': {
      const { out, name } = frameOfName(NOTIFY_CODES.DELETE, 24, notification.name)
      write64(out, notification.parentId, 16)
      write64(out, notification.childId, 24)
      out.writeUInt32LE(name.length, 32)
      out.set(name, 40)
      return out
    }
    case 'store': {
      const out = frame(NOTIFY_CODES.STORE, 24 + notification.data.length)
      write64(out, notification.nodeId, 16)
      write64(out, notification.offset, 24)
      out.writeUInt32LE(notification.data.length, 32)
      out.set(notification.data, 40)
      return out
    }
    case 'resend':
      return frame(NOTIFY_CODES.RESEND, 0)
    case 'epoch':
      return frame(NOTIFY_CODES.INC_EPOCH, 0)
    case 'prune': {
      const out = frame(NOTIFY_CODES.PRUNE, 16 + notification.nodeIds.length * 8)
      out.writeUInt32LE(notification.nodeIds.length, 16)
      notification.nodeIds.forEach((nodeId, index) => write64(out, nodeId, 32 + index * 8))
      return out
    }
  }
}

function encodeInode({ nodeId, data }: Extract<Notification, { kind: 'inode' }>): Buffer {
  const out = frame(NOTIFY_CODES.INVAL_INODE, 24)
  write64(out, nodeId, 16)
  // A negative offset leaves the contents alone.
  write64(out, data?.offset ?? -1, 24)
  write64(out, data?.length ?? 0, 32)
  return out
}

function frame(code: number, bodyBytes: number): Buffer {
  const out = Buffer.alloc(REPLY_HEADER_BYTES + bodyBytes)
  out.writeUInt32LE(out.length, 0)
  out.writeInt32LE(code, 4)
  return out
}

function frameOfName(code: number, fixedBytes: number, text: string): { readonly out: Buffer; readonly name: Buffer } {
  const name = encodeName(text)
  if (name.length > NAME_BYTES_MAX) throw new RangeError(`The name has ${name.length} bytes, ${NAME_BYTES_MAX} are allowed`)
  return { out: frame(code, fixedBytes + name.length + 1), name }
}
