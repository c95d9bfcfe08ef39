import { hash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Digests } from './digests.ts'

/** Below this a digest is computed sooner than a thread is woken. */
const INLINE_BYTES = 64 * 1024

/** One core is left to the event loop. */
const WORKERS_MAX = Math.max(1, Math.min(4, availableParallelism() - 1))

/** A thread costs some 10 MB: without work it ends. */
const IDLE_MS = 10_000

interface Job {
  readonly bytes: Buffer
  readonly resolve: (digest: Buffer) => void
  readonly reject: (error: Error) => void
}

/** Digests in worker threads, which share the memory of buffers from `allocate`: WebCrypto's asynchronous digest copies
 *  its input first, on the event loop, and that copy costs a third as much as the digest. */
export class NodeDigests implements Digests {
  readonly #waiting: Job[] = []
  readonly #idle: HashThread[] = []
  #count = 0

  allocate(sizeBytes: number): Buffer {
    return Buffer.from(new SharedArrayBuffer(sizeBytes))
  }

  sha256(bytes: Buffer): Promise<Buffer> {
    if (bytes.length <= INLINE_BYTES || !(bytes.buffer instanceof SharedArrayBuffer)) {
      return Promise.resolve(hash('sha256', bytes, 'buffer'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    if (this.#waiting.length === 0) return
    const thread = this.#idle.pop() ?? this.#start()
    if (thread === undefined) return
    thread.run(this.#waiting.shift() as Job)
  }

  #start(): HashThread | undefined {
    if (this.#count >= WORKERS_MAX) return undefined
    this.#count += 1
    return new HashThread({
      onIdle: (thread) => {
        this.#idle.push(thread)
        this.#next()
      },
      onEnd: (thread) => {
        this.#count -= 1
        const at = this.#idle.indexOf(thread)
        if (at >= 0) this.#idle.splice(at, 1)
        this.#next()
      },
    })
  }
}

interface HashThreadEvents {
  readonly onIdle: (thread: HashThread) => void
  readonly onEnd: (thread: HashThread) => void
}

/** One worker, with one job at a time. */
class HashThread {
  readonly #worker = new Worker(new URL('./digest-worker.ts', import.meta.url))
  #job: Job | undefined
  #ending: NodeJS.Timeout | undefined

  constructor({ onIdle, onEnd }: HashThreadEvents) {
    this.#worker.unref()
    this.#worker.on('message', (digest: Uint8Array) => {
      this.#job?.resolve(Buffer.from(digest))
      this.#job = undefined
      this.#worker.unref()
      this.#ending = setTimeout(() => void this.#worker.terminate(), IDLE_MS)
      this.#ending.unref()
      onIdle(this)
    })
    let failure: Error | undefined
    this.#worker.on('error', (error: Error) => {
      failure = error
    })
    this.#worker.on('exit', () => {
      this.#job?.reject(failure ?? new Error('The digest thread ended in the middle of its work'))
      this.#job = undefined
      onEnd(this)
    })
  }

  run(job: Job): void {
    clearTimeout(this.#ending)
    this.#job = job
    // While it works the process must not end.
    this.#worker.ref()
    const { buffer, byteOffset, length } = job.bytes
    this.#worker.postMessage({ buffer, byteOffset, length })
  }
}
