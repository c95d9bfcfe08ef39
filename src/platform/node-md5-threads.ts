import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { StreamDigest } from './digests.ts'
import { type SharedBytes, sharedBytes } from './node-worker-jobs.ts'

/** A thread digests some 800 MB/s of one stream, and 4 GB/s of eight side by side: it pays to have many in one. */
const STREAMS_PER_THREAD = 32
const THREADS_MAX = Math.max(1, Math.min(4, availableParallelism()))

/** A thread costs some 9 MB: without streams it ends. */
const IDLE_MS = 10_000

const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 }

export type Md5Request =
  | { readonly kind: 'update'; readonly request: number; readonly stream: number; readonly bytes: SharedBytes }
  | { readonly kind: 'digest'; readonly request: number; readonly stream: number }
  | { readonly kind: 'drop'; readonly stream: number }

/** To each request; none to `drop`. */
export interface Md5Answer {
  readonly request: number
  readonly digest: Uint8Array | undefined
}

type Question =
  | { readonly kind: 'update'; readonly stream: number; readonly bytes: SharedBytes }
  | { readonly kind: 'digest'; readonly stream: number }

interface Waiter {
  readonly resolve: (digest: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

/** Threads that keep the states of MD5 digests: each stream has one thread, which sees its bytes in shared memory. */
export class Md5Threads {
  readonly #threads: Md5Thread[] = []
  readonly #idleMs: number

  constructor({ idleMs = IDLE_MS }: { readonly idleMs?: number } = {}) {
    this.#idleMs = idleMs
  }

  open(): StreamDigest {
    let thread = this.#leastBusy()
    if (thread === undefined || (thread.streams >= STREAMS_PER_THREAD && this.#threads.length < THREADS_MAX)) {
      thread = new Md5Thread(this.#idleMs, (ended) => {
        const at = this.#threads.indexOf(ended)
        if (at >= 0) this.#threads.splice(at, 1)
      })
      this.#threads.push(thread)
    }
    return thread.open()
  }

  #leastBusy(): Md5Thread | undefined {
    return this.#threads.reduce<Md5Thread | undefined>(
      (least, thread) => (least === undefined || thread.streams < least.streams ? thread : least),
      undefined,
    )
  }
}

class Md5Thread {
  readonly #worker = new Worker(new URL('./node-md5-worker.ts', import.meta.url), { resourceLimits: RESOURCE_LIMITS })
  readonly #waiting = new Map<number, Waiter>()
  #asked = 0
  #ending: NodeJS.Timeout | undefined
  #opened = 0
  readonly #idleMs: number
  readonly #onEnding: (thread: Md5Thread) => void
  streams = 0

  /** @param onEnding it takes no stream any more: it has ended, or is told to and takes a moment to */
  constructor(idleMs: number, onEnding: (thread: Md5Thread) => void) {
    this.#idleMs = idleMs
    this.#onEnding = onEnding
    this.#worker.unref()
    this.#worker.on('message', ({ request, digest }: Md5Answer) => this.#settle(request, (waiter) => waiter.resolve(digest)))
    let failure: Error | undefined
    this.#worker.on('error', (error: Error) => {
      failure = error
    })
    this.#worker.on('exit', () => {
      onEnding(this)
      const error = failure ?? new Error('A digest thread ended in the middle of its work')
      for (const request of this.#waiting.keys()) this.#settle(request, (waiter) => waiter.reject(error))
    })
  }

  open(): StreamDigest {
    clearTimeout(this.#ending)
    this.#opened += 1
    this.streams += 1
    const stream = this.#opened
    let isOpen = true
    const close = (): void => {
      if (!isOpen) return
      isOpen = false
      this.streams -= 1
      if (this.streams > 0) return
      this.#ending = setTimeout(() => {
        this.#onEnding(this)
        void this.#worker.terminate()
      }, this.#idleMs)
      this.#ending.unref()
    }
    return {
      update: async (bytes) => {
        // Whatever isn't shared is copied.
        const shared = sharedBytes(bytes) ?? (sharedBytes(copy(bytes)) as SharedBytes)
        await this.#ask({ kind: 'update', stream, bytes: shared })
      },
      digest: async () => {
        try {
          return Buffer.from((await this.#ask({ kind: 'digest', stream })) ?? [])
        } finally {
          close()
        }
      },
      drop: () => {
        if (isOpen) this.#worker.postMessage({ kind: 'drop', stream } satisfies Md5Request)
        close()
      },
    }
  }

  #ask(question: Question): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      // While it works the process must not end.
      this.#worker.ref()
      this.#asked += 1
      const request = this.#asked
      this.#waiting.set(request, { resolve, reject })
      this.#worker.postMessage({ ...question, request } satisfies Md5Request)
    })
  }

  #settle(request: number, settle: (waiter: Waiter) => void): void {
    const waiter = this.#waiting.get(request)
    this.#waiting.delete(request)
    if (this.#waiting.size === 0) this.#worker.unref()
    if (waiter !== undefined) settle(waiter)
  }
}

function copy(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  return shared
}

/** The digest threads of this process. */
export const nodeMd5Threads = new Md5Threads()
