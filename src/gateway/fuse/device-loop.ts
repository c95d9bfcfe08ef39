import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { FuseDevice } from '#platform/fuse-device.ts'
import type { KeepAwake } from '#platform/keep-awake.ts'
import { BusyTimes } from './busy-times.ts'
import { WRITE_BYTES_MAX } from './protocol/negotiate.ts'
import type { FuseSession } from './protocol/session.ts'

/** Where the bytes of a WRITE begin in its message. They should begin a page: copies of whole pages are cheaper. */
const DATA_AT = 80
const PAGE_BYTES = 4096
/** glibc's large allocations begin so far into a page. */
const ALLOCATION_HEADER_BYTES = 16
/** One turn of the event loop answers so many, then others get their turn: the device calls again at once. */
const REQUESTS_PER_TURN = 16
/** All requests but for WRITE, and those with long names. */
const SHORT_BYTES_MAX = 256
const EXPIRY_INTERVAL_MS = 1000
/** A program that has its answer asks for the next thing within some microseconds, and a processor that has gone idle takes fifty to
 *  wake up: for so long it pays to look again instead of going to sleep. */
const LINGER_MS = 0.06
const LOOKS_MAX = 1_000
/** Who asks for one thing after another computes for less than this in between; others who wait for the processor have it for some
 *  milliseconds, and again and again. They get what is theirs without it. */
const GIVEN_MS_MAX = 0.5
const KEPT_MS = 100
/** After so many times in vain it is tried now and then only. */
const LUCK_MAX = 8
const TRY_EACH = 32

export interface DeviceLoopOptions {
  readonly device: FuseDevice
  readonly session: FuseSession
  readonly clock: Clock
  readonly log: Log
  readonly keepAwake?: KeepAwake | undefined
}

/** Carries messages from the device to the session until the file system is unmounted. */
export class DeviceLoop {
  readonly #options: DeviceLoopOptions
  readonly #buffer = makeReadBuffer()
  /** The beginnings of `#buffer` by their lengths: to make one for each request has the heap collected more often. */
  readonly #messages: Buffer[] = []
  readonly #ended = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  /** As the signal says, which would be asked at each answer, for a microsecond. */
  #isStopped = false
  #isPaused = false
  /** How often, lately, a request came while it was waited for. */
  #luck = LUCK_MAX
  #turns = 0
  #isTurning = false
  #isExpecting = false
  /** Until then nobody is given way to. */
  #keepsUntilMs = -Infinity
  readonly #busy: BusyTimes | undefined

  constructor(options: DeviceLoopOptions) {
    this.#options = options
    const { clock, keepAwake } = options
    this.#busy = keepAwake && new BusyTimes({ clock, keepAwake })
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
    if (this.#isStopped) return
    this.#isStopped = true
    this.#stop.abort()
    this.#options.device.pause()
    this.#options.session.end()
    this.#busy?.end()
    this.#ended.resolve()
  }

  /** An answer was given: a session that was full may have room again. */
  answered(): void {
    if (this.#isStopped) return
    if (!this.#isPaused) this.#expect()
    else if (!this.#options.session.isFull) {
      this.#isPaused = false
      this.#options.device.resume()
    }
  }

  /** Whether there was a request. */
  #turn(): boolean {
    const { device, session } = this.#options
    let count = 0
    this.#isTurning = true
    try {
      for (; count < REQUESTS_PER_TURN; count += 1) {
        if (session.isFull) {
          this.#isPaused = true
          device.pause()
          break
        }
        const length = device.read(this.#buffer)
        if (length === 0) break
        if (length === undefined) {
          this.stop()
          break
        }
        session.receive(this.#message(length))
      }
    } catch (error) {
      this.#options.log.error('The mount ends: its device failed', { error })
      this.#ended.reject(error)
      this.stop()
    }
    this.#isTurning = false
    if (count > 0) {
      this.#busy?.served(count)
      this.#expect()
    }
    return count > 0
  }

  #message(length: number): Buffer {
    if (length > SHORT_BYTES_MAX) return this.#buffer.subarray(0, length)
    return (this.#messages[length] ??= this.#buffer.subarray(0, length))
  }

  /** Looks for the next request before going to sleep, if all have been answered. */
  #expect(): void {
    if (this.#isTurning || this.#isExpecting || this.#options.session.pending > 0) return
    this.#turns += 1
    if (this.#luck === 0 && this.#turns % TRY_EACH !== 0) return
    this.#isExpecting = true
    this.#options.device.soon(() => {
      this.#isExpecting = false
      if (this.#options.session.pending === 0 && !this.#isPaused) this.#look()
    })
  }

  #look(): void {
    const { clock } = this.#options
    const untilMs = clock.monotonicMs() + LINGER_MS
    for (let looks = 0; looks < LOOKS_MAX && !this.#isStopped; looks += 1) {
      if (this.#turn()) {
        this.#luck = Math.min(LUCK_MAX, this.#luck + 2)
        return
      }
      const nowMs = clock.monotonicMs()
      if (nowMs >= untilMs) break
      this.#giveWay(nowMs)
    }
    this.#luck = Math.max(0, this.#luck - 1)
  }

  /** Linux may have whoever was answered wait for the processor on which this looks for what he asks next. */
  #giveWay(nowMs: number): void {
    if (nowMs < this.#keepsUntilMs) return
    const { clock, device } = this.#options
    device.giveWay()
    const backMs = clock.monotonicMs()
    if (backMs - nowMs > GIVEN_MS_MAX) this.#keepsUntilMs = backMs + KEPT_MS
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
