import { availableParallelism, cpus } from 'node:os'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import type { ThreadParent, Threads } from './threads.ts'

/** Of the memory for young objects, of which a thread has up to 48 MiB otherwise. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 8 }

/** Threads of this process. */
export class NodeThreads implements Threads {
  readonly cores = availableParallelism()
  readonly canSharePorts = process.platform === 'linux'
  #last = performance.eventLoopUtilization()
  #lastTimes = { idle: 0, all: 0 }

  start(module: URL, data: unknown, events: Parameters<Threads['start']>[2]): ReturnType<Threads['start']> {
    const worker = new Worker(module, { workerData: data, resourceLimits: RESOURCE_LIMITS })
    let failure: Error | undefined
    worker.on('message', events.message)
    worker.on('error', (error: Error) => {
      failure = error
    })
    worker.on('exit', () => events.ended(failure))
    return { post: (message) => worker.postMessage(message) }
  }

  busyShare(): number {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#last)
    this.#last = now
    return utilization
  }

  idleCores(): number {
    const cores = cpus()
    const times = { idle: 0, all: 0 }
    for (const { times: of } of cores) {
      times.idle += of.idle
      times.all += of.idle + of.user + of.sys + of.nice + of.irq
    }
    const { idle, all } = this.#lastTimes
    this.#lastTimes = times
    return times.all === all ? 0 : (cores.length * (times.idle - idle)) / (times.all - all)
  }
}

/** The thread that has started this one. */
export function threadParent(): ThreadParent {
  const port = parentPort
  if (port === null) throw new Error('This is no thread of another one')
  return {
    data: workerData,
    post: (message) => port.postMessage(message),
    onMessage: (listener) => void port.on('message', listener),
    close: () => port.close(),
  }
}
