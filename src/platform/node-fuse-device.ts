import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { ShoalError } from '#foundation/errors.ts'
import { storageError } from './files.ts'
import type { BackingFile, FuseDevice } from './fuse-device.ts'
import { ioctl, poll, read, write, writeBoth, yieldProcessor } from './node-libc.ts'

const NOTIFICATIONS_MAX = 65_536
/** What a trip to the other thread carries. */
const NOTIFICATION_BATCH = 256
/** What the messages need is outside of the heap. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 }
/** `_IOW(229, 1, struct fuse_backing_map)` and `_IOW(229, 2, uint32_t)` of <linux/fuse.h>. */
const BACKING_OPEN = 0x4010_e501
const BACKING_CLOSE = 0x4004_e502

/** Signals that end nobody who doesn't handle them (signal(7)): CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG and WINCH, in a set as proc_pid_status(5)
 *  has it. */
const HARMLESS = [17n, 18n, 19n, 20n, 21n, 22n, 23n, 28n].reduce((set, signal) => set | (1n << (signal - 1n)), 0n)

interface Notification {
  readonly message: Buffer
  readonly resolve: (outcome: 'taken' | 'not-cached') => void
  readonly reject: (error: ShoalError) => void
}

/** `/dev/fuse` by a file descriptor that doesn't block. */
export class NodeFuseDevice implements FuseDevice {
  readonly #fd: number
  #poll: ReturnType<typeof poll> | undefined
  #notifier: Worker | undefined
  /** It has loaded what it calls: ended before, it would take the process with it. */
  #loaded: Promise<unknown> | undefined
  #waiting: Notification[] = []
  #underWay: readonly Notification[] = []
  #isClosed = false

  /** Takes the descriptor over. */
  constructor(fd: number) {
    this.#fd = fd
  }

  watch(onReadable: () => void): void {
    if (this.#poll !== undefined) throw new ShoalError('INTERNAL', 'The device is watched already')
    this.#poll = poll(this.#fd, onReadable)
  }

  pause(): void {
    this.#poll?.stop()
  }

  resume(): void {
    this.#poll?.start()
  }

  read(buffer: Buffer): number | undefined {
    for (;;) {
      const length = read(this.#fd, buffer)
      if (typeof length === 'number') return length
      if (length === 'EAGAIN') return 0
      // ECONNABORTED: by force (`umount -f`, or /sys/fs/fuse/connections).
      if (length === 'ENODEV' || length === 'ECONNABORTED') return undefined
      // ENOENT: whoever asked was killed before the request was read.
      if (length !== 'ENOENT' && length !== 'EINTR') throw failure('read requests from', length)
    }
  }

  soon(call: () => void): void {
    setImmediate(call)
  }

  giveWay(): void {
    yieldProcessor()
  }

  isEnding(pid: number): boolean {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'latin1')
      const set = (name: string): bigint => BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`)
      return ((set('SigPnd') | set('ShdPnd')) & ~(set('SigCgt') | set('SigIgn') | set('SigBlk') | HARMLESS)) !== 0n
    } catch {
      // Of another namespace of processes.
      return false
    }
  }

  write(head: Buffer, data?: Uint8Array): boolean {
    const written = data === undefined ? write(this.#fd, head) : writeBoth(this.#fd, head, data)
    if (typeof written === 'number') return true
    if (written === 'ENOENT' || written === 'ENODEV' || written === 'EPERM') return false
    throw failure('write an answer to', written)
  }

  async notify(message: Buffer): Promise<'taken' | 'not-cached'> {
    if (this.#isClosed) throw gone()
    if (this.#waiting.length >= NOTIFICATIONS_MAX) {
      throw new ShoalError('BUSY', 'Too many changes wait to be told to the kernel: try again in a moment')
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ message, resolve, reject })
      this.#notifyNext()
    })
  }

  openBacking(path: string): BackingFile {
    let fd: number
    try {
      fd = openSync(path, 'r+')
    } catch (error) {
      throw storageError(error, 'open the contents of a file')
    }
    const map = Buffer.alloc(16)
    map.writeInt32LE(fd, 0)
    const id = ioctl(this.#fd, BACKING_OPEN, map)
    if (typeof id === 'number') return new NodeBackingFile({ fd, id, release: () => this.#closeBacking(id) })
    closeSync(fd)
    if (id === 'EPERM') throw new ShoalError('NOT_PERMITTED', 'Only root may let the kernel read a file by itself')
    // What lies over other file systems already, and what has no files to read.
    if (id === 'ELOOP' || id === 'EOPNOTSUPP' || id === 'ENOTTY')
      throw new ShoalError('UNSUPPORTED', `The kernel can't read "${path}" in the place of a file of the mount: ${id}`)
    throw failure('hand a file over to', id)
  }

  #closeBacking(id: number): void {
    if (this.#isClosed) return
    const argument = Buffer.alloc(4)
    argument.writeUInt32LE(id, 0)
    const result = ioctl(this.#fd, BACKING_CLOSE, argument)
    if (typeof result === 'string') throw failure('take a file back from', result)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#poll?.stop()
    this.#poll?.close()
    this.#notifier?.ref()
    if (this.#loaded !== undefined) await this.#loaded
    // A notification that is held up returns when the mount is dead, and that it is once the descriptor is closed.
    closeSync(this.#fd)
    for (const { reject } of [...this.#underWay, ...this.#waiting]) reject(gone())
    this.#underWay = []
    this.#waiting = []
    await this.#notifier?.terminate()
  }

  #notifyNext(): void {
    if (this.#underWay.length > 0 || this.#waiting.length === 0) return
    this.#underWay = this.#waiting.splice(0, NOTIFICATION_BATCH)
    this.#notifier ??= this.#startNotifier()
    this.#notifier.postMessage(this.#underWay.map(({ message }) => message))
  }

  #startNotifier(): Worker {
    const worker = new Worker(new URL('./node-fuse-notifier.ts', import.meta.url), {
      workerData: { fd: this.#fd },
      resourceLimits: RESOURCE_LIMITS,
    })
    worker.unref()
    this.#loaded = new Promise((resolve) => {
      worker.once('message', resolve)
      worker.once('exit', resolve)
    })
    worker.on('message', (outcomes: readonly string[]) => {
      if (outcomes.length === 0) return
      const done = this.#underWay
      this.#underWay = []
      done.forEach((notification, index) => settle(notification, outcomes[index] as string))
      this.#notifyNext()
    })
    worker.on('error', (cause: Error) => {
      const error = new ShoalError('STORAGE_FAILED', 'The thread that tells the kernel of changes failed', { cause })
      for (const { reject } of [...this.#underWay, ...this.#waiting]) reject(error)
      this.#underWay = []
      this.#waiting = []
      this.#notifier = undefined
    })
    return worker
  }
}

/** A file that the kernel has been handed, and that this process can still change. */
class NodeBackingFile implements BackingFile {
  readonly id: number
  readonly #fd: number
  readonly #release: () => void

  constructor({ fd, id, release }: { readonly fd: number; readonly id: number; readonly release: () => void }) {
    this.#fd = fd
    this.id = id
    this.#release = release
  }

  write(offset: number, bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.#fd, bytes, done, bytes.length - done, offset + done)
    } catch (error) {
      throw storageError(error, 'change the contents of a file')
    }
  }

  cut(sizeBytes: number): void {
    try {
      ftruncateSync(this.#fd, sizeBytes)
    } catch (error) {
      throw storageError(error, 'cut the contents of a file')
    }
  }

  close(): void {
    try {
      this.#release()
    } finally {
      closeSync(this.#fd)
    }
  }
}

function settle({ resolve, reject }: Notification, outcome: string): void {
  if (outcome === '') resolve('taken')
  else if (outcome === 'ENOENT') resolve('not-cached')
  else if (outcome === 'ENODEV' || outcome === 'ENOTCONN' || outcome === 'EBADF') reject(gone())
  else reject(failure('tell', outcome))
}

function gone(): ShoalError {
  return new ShoalError('UNAVAILABLE', 'The file system has been unmounted')
}

function failure(doing: string, errno: string): ShoalError {
  return new ShoalError('STORAGE_FAILED', `Cannot ${doing} the kernel by /dev/fuse: ${errno}`, { details: { errno } })
}
