import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Answer, Job } from './node-worker-jobs.ts'

/** Most of a publication is waiting for the medium, so there are more threads than cores. */
const WORKERS_MAX = Math.max(4, Math.min(8, availableParallelism() + 1))

/** One thread is left to what only computes. */
const PUBLISHING_MAX = WORKERS_MAX - 1

/** A thread costs some 9 MB: without work it ends. */
const IDLE_MS = 10_000

/** What the jobs need is outside of the heap. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 }

interface Waiting {
  readonly job: Job
  readonly resolve: (result: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

/** Runs what would hold the event loop up, or would cost it a dozen trips to another thread, in worker threads: one trip
 *  a job. They share the memory of the bytes. */
export class WorkerPool {
  readonly #computing: Waiting[] = []
  readonly #publishing: Waiting[] = []
  readonly #idle: WorkerThread[] = []
  readonly #idleMs: number
  #publishingNow = 0
  #count = 0

  constructor({ idleMs = IDLE_MS }: { readonly idleMs?: number } = {}) {
    this.#idleMs = idleMs
  }

  /** @throws the system's errors, with their `code` */
  run(job: Job): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      const queue = job.kind === 'publish' ? this.#publishing : this.#computing
      queue.push({ job, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    const canPublish = this.#publishing.length > 0 && this.#publishingNow < PUBLISHING_MAX
    if (this.#computing.length === 0 && !canPublish) return
    const thread = this.#idle.pop() ?? this.#start()
    if (thread === undefined) return
    const waiting = this.#computing.shift() ?? (this.#publishing.shift() as Waiting)
    if (waiting.job.kind === 'publish') this.#publishingNow += 1
    thread.run(waiting)
  }

  #start(): WorkerThread | undefined {
    if (this.#count >= WORKERS_MAX) return undefined
    this.#count += 1
    return new WorkerThread(this.#idleMs, {
      onDone: ({ job }) => {
        if (job.kind === 'publish') this.#publishingNow -= 1
      },
      onIdle: (thread) => {
        this.#idle.push(thread)
        this.#next()
      },
      onEnding: (thread) => this.#forget(thread),
      onEnd: (thread) => {
        this.#count -= 1
        this.#forget(thread)
        this.#next()
      },
    })
  }

  /** It gets no job any more. */
  #forget(thread: WorkerThread): void {
    const at = this.#idle.indexOf(thread)
    if (at >= 0) this.#idle.splice(at, 1)
  }
}

interface WorkerThreadEvents {
  readonly onDone: (waiting: Waiting) => void
  readonly onIdle: (thread: WorkerThread) => void
  /** It is told to end, and takes a moment to. */
  readonly onEnding: (thread: WorkerThread) => void
  readonly onEnd: (thread: WorkerThread) => void
}

/** One worker, with one job at a time. */
class WorkerThread {
  readonly #worker = new Worker(new URL('./node-worker.ts', import.meta.url), { resourceLimits: RESOURCE_LIMITS })
  readonly #events: WorkerThreadEvents
  readonly #idleMs: number
  #waiting: Waiting | undefined
  #ending: NodeJS.Timeout | undefined

  constructor(idleMs: number, events: WorkerThreadEvents) {
    this.#idleMs = idleMs
    this.#events = events
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#finish(answer))
    let failure: Error | undefined
    this.#worker.on('error', (error: Error) => {
      failure = error
    })
    this.#worker.on('exit', () => {
      clearTimeout(this.#ending)
      this.#take()?.reject(failure ?? new Error('A worker thread ended in the middle of its work'))
      events.onEnd(this)
    })
  }

  run(waiting: Waiting): void {
    clearTimeout(this.#ending)
    this.#waiting = waiting
    // While it works the process must not end.
    this.#worker.ref()
    this.#worker.postMessage(waiting.job)
  }

  #finish(answer: Answer): void {
    const waiting = this.#take()
    this.#worker.unref()
    this.#ending = setTimeout(() => {
      this.#events.onEnding(this)
      void this.#worker.terminate()
    }, this.#idleMs)
    this.#ending.unref()
    this.#events.onIdle(this)
    if ('failure' in answer) waiting?.reject(Object.assign(new Error(answer.failure.message), { code: answer.failure.code }))
    else waiting?.resolve(answer.result)
  }

  #take(): Waiting | undefined {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) this.#events.onDone(waiting)
    return waiting
  }
}

/** The threads of this process. */
export const nodeWorkers = new WorkerPool()
