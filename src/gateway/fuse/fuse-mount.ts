import { ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { BackingFile, FuseDevice, FuseMounts, MountOptions } from '#platform/fuse-device.ts'
import type { KeepAwake } from '#platform/keep-awake.ts'
import { DeviceLoop } from './device-loop.ts'
import type { DirtyPiece } from './dirty-ranges.ts'
import { type Wishes, WRITE_BYTES_MAX } from './protocol/negotiate.ts'
import { encodeNotification, type Notification } from './protocol/notifications.ts'
import type { Feature } from './protocol/opcodes.ts'
import type { FuseOperations } from './protocol/operations.ts'
import { FuseSession } from './protocol/session.ts'

/** Longer than the client's own limits, and shorter than a person's patience. */
const REQUEST_MS_MAX = 5 * 60 * 1000
const BACKGROUND_MAX = 64
const STACK_DEPTH_MAX = 1
/** Four times what the kernel does by itself: each step is a request. Who maps a file and reads here and there gets as much around each place. */
const READ_AHEAD_BYTES = 512 * 1024

/** What every file system here wants of the kernel. */
const FEATURES: readonly Feature[] = [
  'ASYNC_READ',
  'ATOMIC_O_TRUNC',
  'BIG_WRITES',
  'DO_READDIRPLUS',
  'READDIRPLUS_AUTO',
  'ASYNC_DIO',
  'PARALLEL_DIROPS',
  'MAX_PAGES',
  'HANDLE_KILLPRIV_V2',
]

export interface FuseMountOptions extends Omit<MountOptions, 'readAheadBytes'> {
  readonly operations: FuseOperations
  readonly mounts: FuseMounts
  readonly clock: Clock
  readonly log: Log
  /** While it is busy. */
  readonly keepAwake?: KeepAwake | undefined
  /** Beyond what every mount asks for. */
  readonly features?: readonly Feature[]
}

/** A file system that is mounted. */
export class FuseMount {
  readonly #options: FuseMountOptions
  readonly #device: FuseDevice
  readonly #session: FuseSession
  readonly #loop: DeviceLoop
  readonly #ended: Promise<void>

  private constructor(options: FuseMountOptions, device: FuseDevice) {
    const { operations, clock, log, keepAwake, features = [] } = options
    const wishes: Wishes = {
      features: new Set([...FEATURES, ...features]),
      requestBytesMax: WRITE_BYTES_MAX,
      readAheadBytes: READ_AHEAD_BYTES,
      backgroundMax: BACKGROUND_MAX,
      stackDepthMax: STACK_DEPTH_MAX,
    }
    this.#options = options
    this.#device = device
    const sink = { reply: (head: Buffer, data?: Uint8Array) => this.#reply(head, data) }
    const isEnding = (pid: number): boolean => device.isEnding(pid)
    this.#session = new FuseSession({ operations, sink, wishes, clock, log, requestMsMax: REQUEST_MS_MAX, isEnding })
    this.#loop = new DeviceLoop({ device, session: this.#session, clock, log, keepAwake })
    this.#ended = this.#loop.ended.finally(() => device.close())
    this.#loop.start()
  }

  /** Mounts, and serves from then on. @throws what `FuseMounts.mount` throws; CONFLICT if a dead mount is in the way */
  static async start(options: FuseMountOptions): Promise<FuseMount> {
    return new FuseMount(options, await options.mounts.mount({ ...options, readAheadBytes: READ_AHEAD_BYTES }))
  }

  /** Resolves when it is unmounted, by whomever; rejects if the device failed. */
  get ended(): Promise<void> {
    return this.#ended
  }

  /** Tells the kernel of a change. @throws BUSY, UNAVAILABLE, STORAGE_FAILED */
  notify(notification: Notification): Promise<'taken' | 'not-cached'> {
    return this.#device.notify(encodeNotification(notification))
  }

  /** Gives the kernel the end of a file in this turn. Nobody may have it open: its pages would be held for requests, which wait for this. */
  complete(nodeId: number, { offset, bytes }: DirtyPiece): void {
    try {
      this.#device.write(encodeNotification({ kind: 'store', nodeId, offset, data: bytes }))
    } catch (error) {
      // It asks for them.
      this.#options.log.warn('The kernel does not take what it lacks of a file', { error })
    }
  }

  /** Has the kernel take a file of the local disk in the place of one of the mount.
   *  @throws UNSUPPORTED if the kernel didn't agree to it, and what `FuseDevice.openBacking` throws */
  openBacking(path: string): BackingFile {
    if (this.#session.terms?.features.has('PASSTHROUGH') !== true)
      throw new ShoalError('UNSUPPORTED', 'This kernel reads no files in the place of those of a mount')
    return this.#device.openBacking(path)
  }

  /** Serves until nobody uses it. With `lazy` it is gone from the tree at once, and who has files open may finish.
   *  @throws BUSY if it is in use and not `lazy` */
  async unmount({ lazy }: { readonly lazy: boolean }): Promise<void> {
    await this.#options.mounts.unmount(this.#options.directory, { lazy })
  }

  /** Serves nobody any more: who still uses it, in another mount namespace for one, gets ENOTCONN. Repeating it is harmless. */
  abandon(): void {
    this.#loop.stop()
  }

  #reply(head: Buffer, data?: Uint8Array): boolean {
    const taken = this.#device.write(head, data)
    this.#loop.answered()
    return taken
  }
}
