import { Worker } from 'node:worker_threads'
import type { SimulationResult } from './simulation.ts'

/** What one thread simulates, and then ends: nodes that crashed leave waits behind that nothing ever ends, and memory with them. */
export interface Batch {
  readonly seeds: readonly number[]
  readonly steps: number | undefined
}

export type Report = SimulationResult & { readonly seed: number }

const BATCH = 10

/** Simulates the seeds, a few in a thread and one thread after the other. @throws what ended a thread */
export async function simulateApart(seeds: readonly number[], steps: number | undefined, onReport: (report: Report) => void) {
  for (let at = 0; at < seeds.length; at += BATCH) await runBatch({ seeds: seeds.slice(at, at + BATCH), steps }, onReport)
}

function runBatch(batch: Batch, onReport: (report: Report) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('seeds.worker.ts', import.meta.url), { workerData: batch })
    worker.on('message', onReport)
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}
