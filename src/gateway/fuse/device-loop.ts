import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { FuseDevice } from '#platform/fuse-device.ts'
import { WRITE_BYTES_MAX } from './protocol/negotiate.ts'
import type { FuseSession } from './protocol/session.ts'

/** Where the bytes of a WRITE begin in its message. They should begin a page: copies of whole pages are cheaper. */
const DATA_AT = 80
const PAGE_BYTES = 4096
/** glibc's large allocations begin so far into a page. */
const ALLOCATION_HEADER_BYTES = 16
/** One turn of the event loop answers so many, then others get their turn: the device calls again at once. */
const REQUESTS_PER_TURN = 16
const EXPIRY_INTERVAL_MS = 1000

export interface DeviceLoopOptions {
  readonly device: FuseDevice
  readonly session: FuseSession
  readonly clock: Clock
  readonly log: Log
}

/** Carries messages from the device to the session until the file system is unmounted. */
export class DeviceLoop {
  readonly #options: DeviceLoopOptions
  readonly #buffer = makeReadBuffer()
  readonly #ended = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  #isPaused = false

  constructor(options: DeviceLoopOptions) {
    this.#options = options
  }

  /** Resolves when the file system has been unmounted, or `stop` was called; rejects when the device fails. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  start(): void {
    this.#options.device.watch(() => this.#turn())
    void this.#expireNowAndThen()
  }

  /** Ends the session: what waits is answered ENODEV. Repeating it is harmless. */
  stop(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort()
    this.#options.device.pause()
    this.#options.session.end()
    this.#ended.resolve()
  }

  /** An answer was given: a session that was full may have room again. */
  answered(): void {
    if (!this.#isPaused || this.#options.session.isFull || this.#stop.signal.aborted) return
    this.#isPaused = false
    this.#options.device.resume()
  }

  #turn(): void {
    const { device, session } = this.#options
    try {
      for (let count = 0; count < REQUESTS_PER_TURN; count += 1) {
        if (session.isFull) {
          this.#isPaused = true
          device.pause()
          return
        }
        const length = device.read(this.#buffer)
        if (length === 0) return
        if (length === undefined) {
          this.stop()
          return
        }
        session.receive(this.#buffer.subarray(0, length))
      }
    } catch (error) {
      this.#options.log.error('The mount ends: its device failed', { error })
      this.#ended.reject(error)
      this.stop()
    }
  }

  async #expireNowAndThen(): Promise<void> {
    const { clock, session } = this.#options
    try {
      for (;;) {
        await clock.sleep(EXPIRY_INTERVAL_MS, this.#stop.signal)
        session.expire()
      }
    } catch {
      // The loop was stopped.
    }
  }
}

function makeReadBuffer(): Buffer {
  const memory = new ArrayBuffer(WRITE_BYTES_MAX + 2 * PAGE_BYTES)
  return Buffer.from(memory, PAGE_BYTES - ALLOCATION_HEADER_BYTES - DATA_AT, WRITE_BYTES_MAX + PAGE_BYTES)
}
