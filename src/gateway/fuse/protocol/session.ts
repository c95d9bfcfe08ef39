import { assert } from '#foundation/assert.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { decodeBatchForget, decodeForget, decodeInterrupt } from './decode-requests.ts'
import { ERRNO, errnoOf, FuseError, refusal } from './errno.ts'
import { EXCHANGES, type Started } from './exchanges.ts'
import { negotiate, type Terms, type Wishes } from './negotiate.ts'
import { OPCODES } from './opcodes.ts'
import type { FuseOperations } from './operations.ts'
import { PendingRequest, PendingRequests } from './pending-requests.ts'
import { FIXED_REPLY_BYTES_MAX } from './replies.ts'
import {
  decodeRequestHeader,
  REPLY_HEADER_BYTES,
  type RequestHeader,
  REQUEST_HEADER_BYTES,
  writeReplyHeader,
} from './request-header.ts'

/** One process waits in each: as many as a busy machine has, and a few megabytes of memory. Past it the session reads no more,
 *  so that the rest waits in the kernel. */
const PENDING_MAX = 4096
/** Those who wait for locks leave room for those who let go of them; past it the answer is ENOLCK. */
const LOCK_WAITS_MAX = 1024
/** Where one request fails for a reason that lasts, many do. */
const WARNING_EVERY_MS = 1000

/** Where answers go. The bytes belong to the session again when the call returns. */
export interface ReplySink {
  /** False if the kernel no longer waits for it. */
  reply(head: Buffer, data?: Uint8Array): boolean
}

export interface SessionOptions {
  readonly operations: FuseOperations
  readonly sink: ReplySink
  readonly wishes: Wishes
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly log: Log
  /** What isn't answered by then is answered ETIMEDOUT; a program that waits for an answer can't even be killed. */
  readonly requestMsMax: number
  /** Whether a thread is being killed: it hears no answer, and can't end without one. */
  readonly isEnding: (pid: number) => boolean
}

export type SessionState = 'new' | 'running' | 'ended'

/** One mount's side of the protocol: requests in, answers out. It touches neither device nor clock by itself: whoever owns it
 *  gives it each message, and calls `expire` now and then. */
export class FuseSession {
  readonly #options: SessionOptions
  readonly #pending = new PendingRequests()
  /** For header and fixed body of the answer that is being sent. */
  readonly #out = Buffer.alloc(REPLY_HEADER_BYTES + FIXED_REPLY_BYTES_MAX)
  readonly #outBody: Buffer
  /** The beginnings of `#out` by their lengths: to make one for each answer takes longer than to fill it. */
  readonly #heads: Buffer[] = []
  #terms: Terms | undefined
  #state: SessionState = 'new'
  #warnsFromMs = -Infinity
  /** Since the last warning. */
  #notWarnedOf = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#outBody = this.#out.subarray(REPLY_HEADER_BYTES)
  }

  get state(): SessionState {
    return this.#state
  }

  /** What was agreed upon with the kernel; `undefined` before. */
  get terms(): Terms | undefined {
    return this.#terms
  }

  /** Requests under way. */
  get pending(): number {
    return this.#pending.size
  }

  /** Whether no message may be given to it now: wait until one is answered. */
  get isFull(): boolean {
    return this.#pending.size >= PENDING_MAX
  }

  /** Takes one message of the kernel, whole. Its bytes may be used again when the call returns. Never throws for what a message
   *  says: what can't be understood is answered EPROTO if it has a number, and logged. */
  receive(message: Buffer): void {
    assert(!this.isFull, 'A session must not be given messages while it is full')
    let header: RequestHeader
    try {
      header = decodeRequestHeader(message)
    } catch (error) {
      this.#options.log.error('A message from the kernel makes no sense', { bytes: message.length, error })
      if (message.length >= REQUEST_HEADER_BYTES) this.#refuse(uniqueOf(message), ERRNO.EPROTO)
      return
    }
    const body = header.bodyEnd === message.length ? message : message.subarray(0, header.bodyEnd)
    try {
      this.#dispatch(header, body)
    } catch (error) {
      // Forgets and interrupts have no answer.
      if (isAnswered(header.opcode)) this.#refuse(header, this.#errno(error, header))
      else this.#errno(error, header)
    }
  }

  /** Answers what has waited for too long, and those who are being killed. */
  expire(): void {
    const { clock, isEnding, log } = this.#options
    const nowMs = clock.monotonicMs()
    for (const request of this.#pending.all()) {
      const isLate = request.deadlineMs <= nowMs
      if (!isLate && !(request.isAborted && isEnding(request.pid))) continue
      if (!this.#pending.take(request)) continue
      if (isLate) log.warn('A request was given up: it took too long', describe(request.header))
      this.#refuse(request.header, isLate ? ERRNO.ETIMEDOUT : ERRNO.EINTR)
      request.abort()
    }
  }

  /** Answers all that waits, and takes nothing more. Repeating it is harmless. */
  end(): void {
    if (this.#state === 'ended') return
    const wasRunning = this.#state === 'running'
    this.#state = 'ended'
    for (const request of this.#pending.all()) {
      if (!this.#pending.take(request)) continue
      this.#refuse(request.header, ERRNO.ENODEV)
      request.abort()
    }
    if (wasRunning) this.#options.operations.destroy?.()
  }

  #dispatch(header: RequestHeader, body: Buffer): void {
    switch (header.opcode) {
      case OPCODES.FORGET:
        this.#options.operations.forget(decodeForget(body, header.nodeId))
        return
      case OPCODES.BATCH_FORGET:
        this.#options.operations.forget(decodeBatchForget(body))
        return
      case OPCODES.INTERRUPT:
        // One that isn't found has been answered; interrupts themselves never are.
        this.#pending.find(decodeInterrupt(body))?.abort()
        return
      case OPCODES.INIT:
        this.#init(header, body)
        return
      case OPCODES.DESTROY:
        this.#send(header, 0)
        this.end()
        return
    }
    const terms = this.#terms
    if (terms === undefined || this.#state !== 'running') throw refusal('EIO')
    this.#call(header, { body, terms })
  }

  #init(header: RequestHeader, body: Buffer): void {
    if (this.#state !== 'new') throw refusal('EIO')
    const { terms, reply } = negotiate(body, this.#options.wishes)
    if (terms !== undefined) {
      this.#terms = terms
      this.#state = 'running'
      this.#options.operations.init?.()
    }
    this.#sendBytes(header, reply)
  }

  #call(header: RequestHeader, { body, terms }: { readonly body: Buffer; readonly terms: Terms }): void {
    const isLockWait = header.opcode === OPCODES.SETLKW
    if (isLockWait && this.#pending.lockWaits >= LOCK_WAITS_MAX) throw refusal('ENOLCK')
    const request = new PendingRequest(header, { isLockWait })
    const { operations } = this.#options
    const started = EXCHANGES.get(header.opcode)?.call({ operations, body, caller: request, terms })
    if (started === undefined) throw refusal('ENOSYS')
    if (!(started.answer instanceof Promise)) {
      this.#answer(header, started, started.answer)
      return
    }
    this.#keepWaiting(request, started, started.answer)
  }

  #keepWaiting(request: PendingRequest, started: Started, answer: Promise<unknown>): void {
    if (!request.isLockWait) request.deadlineMs = this.#options.clock.monotonicMs() + this.#options.requestMsMax
    this.#pending.add(request)
    answer.then(
      (reply) => {
        if (this.#pending.take(request)) this.#answer(request.header, started, reply)
        else undo(started, reply)
      },
      (error: unknown) => {
        if (this.#pending.take(request)) this.#refuse(request.header, this.#errno(error, request.header))
      },
    )
  }

  #answer(header: RequestHeader, started: Started, reply: unknown): void {
    if (reply instanceof FuseError) {
      this.#refuse(header, reply.errno)
      return
    }
    let encoded: number | Uint8Array
    try {
      encoded = started.encode(reply as never, this.#outBody)
    } catch (error) {
      undo(started, reply)
      this.#refuse(header, this.#errno(error, header))
      return
    }
    const delivered = typeof encoded === 'number' ? this.#send(header, encoded) : this.#sendBytes(header, encoded)
    if (!delivered) undo(started, reply)
  }

  /** Sends what is in `#outBody`. */
  #send(header: Unique, bodyBytes: number): boolean {
    const lengthBytes = REPLY_HEADER_BYTES + bodyBytes
    writeReplyHeader(this.#out, { lengthBytes, errno: 0, header })
    return this.#options.sink.reply(this.#head(lengthBytes))
  }

  #sendBytes(header: Unique, data: Uint8Array): boolean {
    writeReplyHeader(this.#out, { lengthBytes: REPLY_HEADER_BYTES + data.length, errno: 0, header })
    const head = this.#head(REPLY_HEADER_BYTES)
    return data.length === 0 ? this.#options.sink.reply(head) : this.#options.sink.reply(head, data)
  }

  #refuse(header: Unique, errno: number): void {
    writeReplyHeader(this.#out, { lengthBytes: REPLY_HEADER_BYTES, errno, header })
    this.#options.sink.reply(this.#head(REPLY_HEADER_BYTES))
  }

  #head(lengthBytes: number): Buffer {
    return (this.#heads[lengthBytes] ??= this.#out.subarray(0, lengthBytes))
  }

  #errno(error: unknown, header: RequestHeader): number {
    const errno = errnoOf(error)
    if (errno === undefined) this.#options.log.error('A request failed on a defect', { ...describe(header), error })
    // Programs say "Input/output error" and no more.
    else if (errno === ERRNO.EIO && !(error instanceof FuseError)) this.#warn(header, error)
    return errno ?? ERRNO.EIO
  }

  #warn(header: RequestHeader, error: unknown): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs < this.#warnsFromMs) {
      this.#notWarnedOf += 1
      return
    }
    const more = this.#notWarnedOf === 0 ? {} : { failedBefore: this.#notWarnedOf }
    this.#notWarnedOf = 0
    this.#warnsFromMs = nowMs + WARNING_EVERY_MS
    this.#options.log.warn('A request was answered with EIO', { ...describe(header), ...more, error })
  }
}

type Unique = Pick<RequestHeader, 'uniqueLow' | 'uniqueHigh'>

function uniqueOf(message: Buffer): Unique {
  return { uniqueLow: message.readUInt32LE(8), uniqueHigh: message.readUInt32LE(12) }
}

function isAnswered(opcode: number): boolean {
  return opcode !== OPCODES.FORGET && opcode !== OPCODES.BATCH_FORGET && opcode !== OPCODES.INTERRUPT
}

function undo(started: Started, reply: unknown): void {
  if (!(reply instanceof FuseError)) started.undo?.(reply as never)
}

function describe({ opcode, nodeId, pid }: RequestHeader): Record<string, number> {
  return { opcode, nodeId, pid }
}
