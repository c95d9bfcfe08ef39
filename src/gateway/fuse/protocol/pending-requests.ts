import type { Caller } from './operations.ts'
import { type RequestHeader, uniqueKey } from './request-header.ts'

/** A request whose handler hasn't answered, as the handler sees its caller. */
export class PendingRequest implements Caller {
  readonly header: RequestHeader
  /** Waits for others, by its nature: no time limit holds for it. */
  readonly isLockWait: boolean
  /** By the session's clock; Infinity until it is kept waiting. */
  deadlineMs = Infinity
  #controller: AbortController | undefined
  #isAborted = false

  constructor(header: RequestHeader, { isLockWait }: { readonly isLockWait: boolean }) {
    this.header = header
    this.isLockWait = isLockWait
  }

  get nodeId(): number {
    return this.header.nodeId
  }

  get uid(): number {
    return this.header.uid
  }

  get gid(): number {
    return this.header.gid
  }

  get pid(): number {
    return this.header.pid
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#isAborted) this.#controller.abort()
    }
    return this.#controller.signal
  }

  get isAborted(): boolean {
    return this.#isAborted
  }

  abort(): void {
    this.#isAborted = true
    this.#controller?.abort()
  }
}

/** The requests that wait for their handlers, by the kernel's number. Bounded by whoever adds. */
export class PendingRequests {
  readonly #byUnique = new Map<number, PendingRequest>()
  #lockWaits = 0

  get size(): number {
    return this.#byUnique.size
  }

  get lockWaits(): number {
    return this.#lockWaits
  }

  add(request: PendingRequest): void {
    this.#byUnique.set(uniqueKey(request.header.uniqueLow, request.header.uniqueHigh), request)
    if (request.isLockWait) this.#lockWaits += 1
  }

  /** Whether it was still there: whoever takes it out answers it. */
  take(request: PendingRequest): boolean {
    const taken = this.#byUnique.delete(uniqueKey(request.header.uniqueLow, request.header.uniqueHigh))
    if (taken && request.isLockWait) this.#lockWaits -= 1
    return taken
  }

  find({ low, high }: { readonly low: number; readonly high: number }): PendingRequest | undefined {
    return this.#byUnique.get(uniqueKey(low, high))
  }

  /** All of them, the oldest first. */
  all(): readonly PendingRequest[] {
    return [...this.#byUnique.values()]
  }
}
