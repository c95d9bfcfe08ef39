import { parentPort, workerData } from 'node:worker_threads'
import type { Batch, Report } from './seeds-apart.ts'
import { simulate } from './simulation.ts'

// Where errors come from is told when a seed is run by itself. To note it down for thousands that are expected takes time.
Error.stackTraceLimit = 0

const { seeds, steps } = workerData as Batch
for (const seed of seeds) parentPort?.postMessage(await reportOf(seed))

/** What breaks off is a problem, too. */
async function reportOf(seed: number): Promise<Report> {
  try {
    return { seed, ...(await simulate({ seed, ...(steps === undefined ? {} : { steps }) })) }
  } catch (error) {
    const counts = { acknowledged: 0, refused: 0, unknown: 0 }
    return {
      seed,
      form: undefined,
      problems: [String((error as Error).stack)],
      trace: [],
      counts,
      terms: 0,
      chunks: 0,
      handOvers: 0,
      endMs: 0,
    }
  }
}
