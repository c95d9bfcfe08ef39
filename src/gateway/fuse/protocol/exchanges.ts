import * as decode from './decode-requests.ts'
import { DirectoryPage } from './directory-page.ts'
import { type FuseError, refusal } from './errno.ts'
import type { Terms } from './negotiate.ts'
import { OPCODES } from './opcodes.ts'
import type { Answer, Caller, FuseOperations } from './operations.ts'
import * as replies from './replies.ts'

/** What is needed to call a handler. */
export interface Call {
  readonly operations: FuseOperations
  readonly body: Buffer
  readonly caller: Caller
  readonly terms: Terms
}

/** Writes the fixed part into `out` and says how long it is, or gives bytes of any length. */
type Encode<Reply> = (reply: Reply, out: Buffer) => number | Uint8Array

/** One kind of request, its answer, and how to take back an answer that did not arrive. */
export interface Exchange {
  /** `undefined`: the file system has no such handler. */
  readonly call: (call: Call) => Started | undefined
}

/** A handler's answer, and what it takes to send it. */
export interface Started {
  readonly answer: Answer<unknown>
  readonly encode: (reply: never, out: Buffer) => number | Uint8Array
  readonly undo: ((reply: never) => void) | undefined
}

type Method = Exclude<keyof FuseOperations, 'init' | 'destroy' | 'forget'>
type Reply<M extends Method> = Exclude<Awaited<ReturnType<NonNullable<FuseOperations[M]>>>, FuseError>
type Request<M extends Method> = Parameters<NonNullable<FuseOperations[M]>>[0]

interface Kind<M extends Method> {
  readonly method: M
  readonly decode: (body: Buffer, terms: Terms) => Request<M>
  /** `request` is what was asked: some answers depend on the room that there is for them. */
  readonly encode: (reply: Reply<M>, out: Buffer, request: Request<M>) => number | Uint8Array
  readonly undo?: (reply: Reply<M>, operations: FuseOperations, caller: Caller) => void
}

function exchange<M extends Method>(kind: Kind<M>): Exchange {
  return {
    call: ({ operations, body, caller, terms }) => {
      const handler = operations[kind.method] as ((request: Request<M>, caller: Caller) => Answer<Reply<M>>) | undefined
      if (handler === undefined) return undefined
      const request = kind.decode(body, terms)
      const encode: Encode<Reply<M>> = (reply, out) => kind.encode(reply, out, request)
      const { undo } = kind
      return {
        answer: handler.call(operations, request, caller),
        encode,
        undo: undo === undefined ? undefined : (reply: Reply<M>) => undo(reply, operations, caller),
      }
    },
  }
}

const nothing = (): void => undefined
const empty = (): number => 0
const bytes = (reply: Uint8Array): Uint8Array => reply

function forgetEntry(reply: replies.EntryReply | replies.AbsentReply, operations: FuseOperations): void {
  if (!('absentMs' in reply)) operations.forget([{ nodeId: reply.nodeId, lookups: 1 }])
}

function releaseHandle(
  { handle }: replies.OpenReply,
  operations: FuseOperations,
  { caller, method }: { readonly caller: Caller; readonly method: 'release' | 'releasedir' },
): void {
  const request = { handle, flags: 0, unlockFlock: false, lockOwner: 0n }
  const answer = operations[method]?.(request, caller)
  // Nobody waits for the outcome.
  if (answer instanceof Promise) answer.catch(nothing)
}

function releaseCreated(reply: replies.CreateReply, operations: FuseOperations, caller: Caller): void {
  releaseHandle(reply, operations, { caller: { ...aside(caller), nodeId: reply.nodeId }, method: 'release' })
  forgetEntry(reply, operations)
}

/** A caller for what is done after its request was given up. */
function aside({ nodeId, uid, gid, pid }: Caller): Caller {
  return { nodeId, uid, gid, pid, signal: new AbortController().signal }
}

/** Of attributes whose length the caller may ask for first. @throws FuseError ERANGE if there is too little room */
function xattrBytes(value: Buffer, out: Buffer, { sizeBytes }: { readonly sizeBytes: number }): number | Uint8Array {
  if (sizeBytes === 0) return replies.writeXattrLength(value.length, out)
  if (value.length > sizeBytes) throw refusal('ERANGE')
  return value
}

function readdir(hasAttributes: boolean): Exchange {
  return exchange({
    method: 'readdir',
    decode: (body) => {
      const request = decode.decodeRead(body)
      return { ...request, page: new DirectoryPage({ sizeBytes: request.sizeBytes, hasAttributes }) }
    },
    encode: (_, _out, { page }) => page.bytes,
  })
}

const entry = (reply: replies.EntryReply | replies.AbsentReply, out: Buffer): number => replies.writeEntry(reply, out)
const open = (reply: replies.OpenReply, out: Buffer): number => replies.writeOpen(reply, out)

/** What the session does with each opcode that is answered by a handler. */
export const EXCHANGES: ReadonlyMap<number, Exchange> = new Map<number, Exchange>([
  [OPCODES.LOOKUP, exchange({ method: 'lookup', decode: decode.decodeNamed, encode: entry, undo: forgetEntry })],
  [OPCODES.GETATTR, exchange({ method: 'getattr', decode: decode.decodeGetattr, encode: replies.writeAttributesReply })],
  [OPCODES.STATX, exchange({ method: 'statx', decode: decode.decodeStatx, encode: replies.writeStatx })],
  [OPCODES.SETATTR, exchange({ method: 'setattr', decode: decode.decodeSetattr, encode: replies.writeAttributesReply })],
  [OPCODES.ACCESS, exchange({ method: 'access', decode: decode.decodeAccess, encode: empty })],
  [OPCODES.STATFS, exchange({ method: 'statfs', decode: nothing, encode: replies.writeStatfs })],
  [OPCODES.READLINK, exchange({ method: 'readlink', decode: nothing, encode: bytes })],
  [OPCODES.SYMLINK, exchange({ method: 'symlink', decode: decode.decodeSymlink, encode: entry, undo: forgetEntry })],
  [OPCODES.MKNOD, exchange({ method: 'mknod', decode: decode.decodeMknod, encode: entry, undo: forgetEntry })],
  [OPCODES.MKDIR, exchange({ method: 'mkdir', decode: decode.decodeMkdir, encode: entry, undo: forgetEntry })],
  [OPCODES.UNLINK, exchange({ method: 'unlink', decode: decode.decodeNamed, encode: empty })],
  [OPCODES.RMDIR, exchange({ method: 'rmdir', decode: decode.decodeNamed, encode: empty })],
  [OPCODES.RENAME, exchange({ method: 'rename', decode: decode.decodeRename, encode: empty })],
  [OPCODES.RENAME2, exchange({ method: 'rename', decode: decode.decodeRename2, encode: empty })],
  [OPCODES.LINK, exchange({ method: 'link', decode: decode.decodeLink, encode: entry, undo: forgetEntry })],
  [
    OPCODES.OPENDIR,
    exchange({
      method: 'opendir',
      decode: decode.decodeOpen,
      encode: open,
      undo: (reply, operations, caller) => releaseHandle(reply, operations, { caller: aside(caller), method: 'releasedir' }),
    }),
  ],
  [OPCODES.READDIR, readdir(false)],
  [OPCODES.READDIRPLUS, readdir(true)],
  [OPCODES.RELEASEDIR, exchange({ method: 'releasedir', decode: decode.decodeRelease, encode: empty })],
  [OPCODES.FSYNCDIR, exchange({ method: 'fsyncdir', decode: decode.decodeFsync, encode: empty })],
  [
    OPCODES.OPEN,
    exchange({
      method: 'open',
      decode: decode.decodeOpen,
      encode: open,
      undo: (reply, operations, caller) => releaseHandle(reply, operations, { caller: aside(caller), method: 'release' }),
    }),
  ],
  [
    OPCODES.CREATE,
    exchange({ method: 'create', decode: decode.decodeCreate, encode: replies.writeCreate, undo: releaseCreated }),
  ],
  [
    OPCODES.TMPFILE,
    exchange({ method: 'tmpfile', decode: decode.decodeCreate, encode: replies.writeCreate, undo: releaseCreated }),
  ],
  [OPCODES.READ, exchange({ method: 'read', decode: decode.decodeRead, encode: bytes })],
  [OPCODES.WRITE, exchange({ method: 'write', decode: decode.decodeWrite, encode: replies.writeWritten })],
  [OPCODES.FLUSH, exchange({ method: 'flush', decode: decode.decodeFlush, encode: empty })],
  [OPCODES.FSYNC, exchange({ method: 'fsync', decode: decode.decodeFsync, encode: empty })],
  [OPCODES.RELEASE, exchange({ method: 'release', decode: decode.decodeRelease, encode: empty })],
  [OPCODES.FALLOCATE, exchange({ method: 'fallocate', decode: decode.decodeFallocate, encode: empty })],
  [OPCODES.LSEEK, exchange({ method: 'lseek', decode: decode.decodeLseek, encode: replies.writeOffset })],
  [
    OPCODES.COPY_FILE_RANGE,
    exchange({ method: 'copyFileRange', decode: decode.decodeCopyFileRange, encode: replies.writeWritten }),
  ],
  [
    OPCODES.COPY_FILE_RANGE_64,
    exchange({ method: 'copyFileRange', decode: decode.decodeCopyFileRange, encode: replies.writeOffset }),
  ],
  [OPCODES.SYNCFS, exchange({ method: 'syncfs', decode: nothing, encode: empty })],
  [
    OPCODES.SETXATTR,
    exchange({
      method: 'setxattr',
      decode: (body, terms) => decode.decodeSetxattr(body, { isExtended: terms.features.has('SETXATTR_EXT') }),
      encode: empty,
    }),
  ],
  [OPCODES.GETXATTR, exchange({ method: 'getxattr', decode: decode.decodeGetxattr, encode: xattrBytes })],
  [OPCODES.LISTXATTR, exchange({ method: 'listxattr', decode: decode.decodeListxattr, encode: xattrBytes })],
  [OPCODES.REMOVEXATTR, exchange({ method: 'removexattr', decode: decode.decodeNamed, encode: empty })],
  [OPCODES.GETLK, exchange({ method: 'getlk', decode: decode.decodeLock, encode: replies.writeLock })],
  [OPCODES.SETLK, exchange({ method: 'setlk', decode: decode.decodeLock, encode: empty })],
  [OPCODES.SETLKW, exchange({ method: 'setlkw', decode: decode.decodeLock, encode: empty })],
  [OPCODES.IOCTL, exchange({ method: 'ioctl', decode: decode.decodeIoctl, encode: replies.ioctlBytes })],
  [OPCODES.POLL, exchange({ method: 'poll', decode: decode.decodePoll, encode: replies.writePoll })],
])
