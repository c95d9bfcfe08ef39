import { Worker } from 'node:worker_threads'
import type { SimulationResult } from './simulation.ts'

/** What one thread simulates, and then ends, with whatever a simulation may leave behind. */
export interface Batch {
  readonly seeds: readonly number[]
  readonly steps: number | undefined
}

export type Report = SimulationResult & { readonly seed: number }

const BATCH = 500
/** Nearly all is garbage by the time that so much has come together, and more would not stay in the processor's caches. */
const YOUNG_MB = 16

/** Simulates the seeds, a few in a thread and one thread after the other. @throws what ended a thread */
export async function simulateApart(seeds: readonly number[], steps: number | undefined, onReport: (report: Report) => void) {
  for (let at = 0; at < seeds.length; at += BATCH) await runBatch({ seeds: seeds.slice(at, at + BATCH), steps }, onReport)
}

function runBatch(batch: Batch, onReport: (report: Report) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('seeds.worker.ts', import.meta.url), {
      workerData: batch,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    })
    worker.on('message', onReport)
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}
