// npm run sim -- --seeds 10000 [--from 1] [--steps 500], or --seed 17 for one of them with its trace.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { simulate } from '../test/simulation/simulation.ts'
import type { SimulationResult } from '../test/simulation/simulation.ts'

interface Share {
  readonly from: number
  readonly to: number
  readonly every: number
  readonly steps: number | undefined
}

type Report = { readonly seed: number } & Pick<SimulationResult, 'problems' | 'counts' | 'terms'>

const REPORT_EVERY_MS = 5_000

if (isMainThread) await main()
else await runShare(workerData as Share)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '200' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      steps: { type: 'string' },
    },
  })
  const steps = values.steps === undefined ? undefined : positive('steps', values.steps)
  if (values.seed === undefined) await runMany(positive('from', values.from), positive('seeds', values.seeds), steps)
  else await runOne(positive('seed', values.seed), steps)
}

async function runOne(seed: number, steps: number | undefined): Promise<void> {
  const { trace, problems, counts, terms } = await simulate({ seed, ...(steps === undefined ? {} : { steps }) })
  for (const line of [...trace, ...problems]) console.log(line)
  console.log(`seed ${seed}: ${JSON.stringify(counts)}, ${terms} terms, ${problems.length} problems`)
  if (problems.length > 0) process.exitCode = 1
}

async function runMany(from: number, count: number, steps: number | undefined): Promise<void> {
  const every = Math.min(availableParallelism(), count)
  const sums = { done: 0, acknowledged: 0, terms: 0 }
  const failed: number[] = []
  const beganMs = performance.now()
  let toldMs = beganMs
  const note = ({ seed, problems, counts, terms }: Report): void => {
    sums.done += 1
    sums.acknowledged += counts.acknowledged
    sums.terms += terms
    if (problems.length > 0) {
      failed.push(seed)
      console.log(`seed ${seed}: ${problems.join('\n')}`)
    }
    if (performance.now() - toldMs < REPORT_EVERY_MS) return
    toldMs = performance.now()
    console.log(`${sums.done} of ${count} seeds, ${failed.length} failed`)
  }
  await Promise.all(
    Array.from({ length: every }, (_, at) => {
      const share: Share = { from: from + at, to: from + count - 1, every, steps }
      return new Promise<void>((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url), { workerData: share })
        worker.on('message', note)
        worker.on('error', reject)
        worker.on('exit', () => resolve())
      })
    }),
  )
  const seconds = Math.round((performance.now() - beganMs) / 1_000)
  console.log(
    `${sums.done} seeds in ${seconds} s: ${sums.acknowledged} operations acknowledged, ${sums.terms} terms, ${failed.length} failed`,
  )
  if (failed.length > 0) console.log(`One of them with its trace: npm run sim -- --seed ${failed[0]}`)
  if (failed.length > 0 || sums.done < count) process.exitCode = 1
}

async function runShare({ from, to, every, steps }: Share): Promise<void> {
  for (let seed = from; seed <= to; seed += every) {
    const report: Report = { seed, ...(await simulated(seed, steps)) }
    parentPort?.postMessage(report)
  }
}

/** What breaks off is a problem, too. */
async function simulated(
  seed: number,
  steps: number | undefined,
): Promise<Pick<SimulationResult, 'problems' | 'counts' | 'terms'>> {
  try {
    const { problems, counts, terms } = await simulate({ seed, ...(steps === undefined ? {} : { steps }) })
    return { problems, counts, terms }
  } catch (error) {
    return { problems: [String((error as Error).stack)], counts: { acknowledged: 0, refused: 0, unknown: 0 }, terms: 0 }
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) {
    console.error(`--${name} is "${text}", and a positive whole number is expected`)
    process.exit(2)
  }
  return value
}
