// npm run sim -- --seeds 10000 [--from 1] [--steps 500], or --seed 17 [--log] for one of them with its trace, and what its nodes log.
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { simulateApart } from '../test/simulation/seeds-apart.ts'
import type { Report } from '../test/simulation/seeds-apart.ts'
import { simulate } from '../test/simulation/simulation.ts'

const REPORT_EVERY_MS = 5_000

await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '200' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      steps: { type: 'string' },
      log: { type: 'boolean', default: false },
    },
  })
  const steps = values.steps === undefined ? undefined : positive('steps', values.steps)
  if (values.seed === undefined) await runMany(positive('from', values.from), positive('seeds', values.seeds), steps)
  else await runOne(positive('seed', values.seed), steps, values.log)
}

async function runOne(seed: number, steps: number | undefined, isDetailed: boolean): Promise<void> {
  const { form, trace, problems, counts, terms } = await simulate({ seed, isDetailed, ...(steps === undefined ? {} : { steps }) })
  for (const line of [...trace, ...problems]) console.log(line)
  console.log(`seed ${seed} (${form}): ${JSON.stringify(counts)}, ${terms} terms, ${problems.length} problems`)
  if (problems.length > 0) process.exitCode = 1
}

async function runMany(from: number, count: number, steps: number | undefined): Promise<void> {
  const every = Math.min(availableParallelism(), count)
  const sums = { done: 0, acknowledged: 0, unknown: 0, terms: 0, handOvers: 0 }
  const forms = new Map<string, number>()
  const failed: number[] = []
  const beganMs = performance.now()
  let toldMs = beganMs
  const note = ({ seed, form, problems, counts, terms, handOvers }: Report): void => {
    sums.done += 1
    forms.set(form ?? 'broken off', (forms.get(form ?? 'broken off') ?? 0) + 1)
    sums.acknowledged += counts.acknowledged
    sums.unknown += counts.unknown
    sums.terms += terms
    sums.handOvers += handOvers
    if (problems.length > 0) {
      failed.push(seed)
      console.log(`seed ${seed}: ${problems.join('\n')}`)
    }
    if (performance.now() - toldMs < REPORT_EVERY_MS) return
    toldMs = performance.now()
    console.log(`${sums.done} of ${count} seeds, ${failed.length} failed`)
  }
  await Promise.all(
    Array.from({ length: every }, (_, lane) => {
      const seeds = Array.from({ length: count }, (_, index) => from + index).filter((seed) => seed % every === lane)
      return simulateApart(seeds, steps, note)
    }),
  )
  const seconds = Math.round((performance.now() - beganMs) / 1_000)
  console.log(
    `${sums.done} seeds (${[...forms].map(([form, count]) => `${form} ${count}`).join(', ')}) in ${seconds} s: ${sums.acknowledged} operations acknowledged, ${sums.unknown} without an answer, ${sums.terms} terms, ${sums.handOvers} handed over by failing disks, ${failed.length} failed`,
  )
  if (failed.length > 0) console.log(`One of them with its trace: npm run sim -- --seed ${failed[0]}`)
  if (failed.length > 0 || sums.done < count) process.exitCode = 1
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) {
    console.error(`--${name} is "${text}", and a positive whole number is expected`)
    process.exit(2)
  }
  return value
}
