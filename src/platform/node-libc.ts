// Everything that Shoal calls of the C library by itself.
import koffi from 'koffi'
import { getSystemErrorName } from 'node:util'
import { systemError } from './system-error.ts'

type Async<T> = (call: (done: (error: unknown, result: T) => void) => void, doing: string) => Promise<T>

const library = koffi.load(null)

const cRead = library.func('long read(int fd, void *buffer, size_t length)')
const cWrite = library.func('long write(int fd, const void *bytes, size_t length)')
const cYield = library.func('int sched_yield()')
const cIovec = koffi.struct('iovec', { base: 'void *', length: 'size_t' })
const cWritev = library.func('writev', 'long', ['int', koffi.pointer(cIovec), 'int'])
const cIoctl = library.func('int ioctl(int fd, ulong request, ...)')
const cFcntl = library.func('int fcntl(int fd, int command, ...)')
const cMount = library.func('int mount(str source, str target, str type, ulong flags, str data)')
const cUmount = library.func('int umount2(str target, int flags)')
const cSocketpair = library.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)')
const cRecvmsg = library.func('long recvmsg(int fd, void *message, int flags)')

const AF_UNIX = 1
const SOCK_STREAM = 1
const SOL_SOCKET = 1
const SCM_RIGHTS = 1
const MSG_DONTWAIT = 0x40
const MSG_CMSG_CLOEXEC = 0x4000_0000
const F_GETFL = 3
const F_SETFL = 4
const O_NONBLOCK = 0x800
const MSGHDR_BYTES = 56
const IOVEC_BYTES = 16
const CONTROL_BYTES = 24
const CONTROL_OF_ONE_BYTES = 20n

const errnoNames: string[] = []

/** The name of the error that the last call of this thread had left. */
function errnoName(): string {
  const errno = koffi.errno()
  return (errnoNames[errno] ??= getSystemErrorName(-errno))
}

const settled: Async<number> = (call, doing) =>
  new Promise((resolve, reject) => {
    call((error, result) => {
      if (error !== null) reject(new Error(doing, { cause: error }))
      else if (result < 0) reject(systemError(errnoName(), doing))
      else resolve(result)
    })
  })

/** read(2): how many bytes, or the name of the error. */
export function read(fd: number, buffer: Uint8Array): number | string {
  const length = cRead(fd, buffer, buffer.length) as number
  return length < 0 ? errnoName() : length
}

/** write(2): how many bytes, or the name of the error. */
export function write(fd: number, bytes: Uint8Array): number | string {
  const length = cWrite(fd, bytes, bytes.length) as number
  return length < 0 ? errnoName() : length
}

/** sched_yield(2). */
export function yieldProcessor(): void {
  cYield()
}

/** writev(2) of two pieces: how many bytes, or the name of the error. */
export function writeBoth(fd: number, first: Uint8Array, second: Uint8Array): number | string {
  const vector = [
    { base: first, length: first.length },
    { base: second, length: second.length },
  ]
  const length = cWritev(fd, vector, 2) as number
  return length < 0 ? errnoName() : length
}

/** ioctl(2) with `argument` in and out: its result, or the name of the error. */
export function ioctl(fd: number, request: number, argument: Uint8Array): number | string {
  const result = cIoctl(fd, request, 'void *', argument) as number
  return result < 0 ? errnoName() : result
}

/** mount(2), in another thread. @throws the system's errors, with their `code` */
export async function mount(options: {
  readonly source: string
  readonly target: string
  readonly type: string
  readonly flags: number
  readonly data: string
}): Promise<void> {
  const { source, target, type, flags, data } = options
  await settled((done) => cMount.async(source, target, type, flags, data, done), `mount "${target}"`)
}

/** umount2(2), in another thread. @throws the system's errors, with their `code` */
export async function umount(target: string, flags: number): Promise<void> {
  await settled((done) => cUmount.async(target, flags, done), `umount "${target}"`)
}

/** A pair of sockets of this machine, connected with each other. @throws the system's errors, with their `code` */
export function socketPair(): readonly [number, number] {
  const pair: [number, number] = [0, 0]
  if ((cSocketpair(AF_UNIX, SOCK_STREAM, 0, pair) as number) < 0) throw systemError(errnoName(), 'socketpair')
  return pair
}

/** The file descriptor that the other end has sent over the socket `fd`; `undefined` if it has sent none. */
export function receiveDescriptor(fd: number): number | undefined {
  // One allocation, which the call itself keeps alive: `struct msghdr`, then the `iovec`, the control message and a byte.
  const memory = Buffer.alloc(MSGHDR_BYTES + IOVEC_BYTES + CONTROL_BYTES + 1)
  const vectorAt = MSGHDR_BYTES
  const controlAt = vectorAt + IOVEC_BYTES
  const start = koffi.address(memory)
  memory.writeBigUInt64LE(start + BigInt(vectorAt), 16)
  memory.writeBigUInt64LE(1n, 24)
  memory.writeBigUInt64LE(start + BigInt(controlAt), 32)
  memory.writeBigUInt64LE(BigInt(CONTROL_BYTES), 40)
  memory.writeBigUInt64LE(start + BigInt(controlAt + CONTROL_BYTES), vectorAt)
  memory.writeBigUInt64LE(1n, vectorAt + 8)
  const length = cRecvmsg(fd, memory, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) as number
  const hasRights =
    length > 0 &&
    memory.readBigUInt64LE(40) >= CONTROL_OF_ONE_BYTES &&
    memory.readInt32LE(controlAt + 8) === SOL_SOCKET &&
    memory.readInt32LE(controlAt + 12) === SCM_RIGHTS
  return hasRights ? memory.readInt32LE(controlAt + 16) : undefined
}

/** Has reads answer EAGAIN rather than wait. @throws the system's errors, with their `code` */
export function setNonBlocking(fd: number): void {
  const flags = cFcntl(fd, F_GETFL, 'int', 0) as number
  if (flags < 0 || (cFcntl(fd, F_SETFL, 'int', flags | O_NONBLOCK) as number) < 0) throw systemError(errnoName(), 'fcntl')
}

const nothing = (): void => undefined

/** Calls `onReadable` while there is something to read, from the event loop. */
export function poll(fd: number, onReadable: () => void): { start(): void; stop(): void; close(): void } {
  const call = (): void => {
    onReadable()
    // Koffi calls from outside of what Node regards as a turn: promises that were settled would wait for the next one.
    setImmediate(nothing)
  }
  const handle = koffi.node.poll(fd, { readable: true }, call)
  return {
    start: () => handle.start({ readable: true }, call),
    stop: () => handle.stop(),
    close: () => handle.close(),
  }
}
