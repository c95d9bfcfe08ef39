// npm run sim:eventual -- [--nodes 3,7,…] [--seeds N] [--faults N] [--draw]: how one change spreads among simulated nodes, as the tables and
// charts of docs/benchmarks/eventual.md have it; with --faults instead as many runs of everything that can go wrong.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { entryKey } from '../src/eventual/keys.ts'
import { runFaults } from '../src/eventual/simulation-faults.suite.ts'
import { History, VOLUME } from '../src/eventual/simulation-history.suite.ts'
import { Simulation } from '../src/eventual/simulation.suite.ts'
import { drawChart } from './svg-chart.ts'

const DEFAULT_NODES = '3,7,15,31,63,125,250,500,1000'
const NEVER_MS = 1e9
const SPREAD_MS_MAX = 120_000

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: DEFAULT_NODES },
    seeds: { type: 'string', default: '5' },
    faults: { type: 'string' },
    draw: { type: 'boolean', default: false },
  },
})

/** Half of the nodes, 99 % of those that rumours reach, all that they reach; the share that they miss; tellings a node. */
interface Spread {
  readonly halfMs: number
  readonly mostMs: number
  readonly lastMs: number
  readonly missed: number
  readonly tellings: number
  /** With anti-entropy, until all have it. */
  readonly allMs: number
}

const PLACE = { volume: VOLUME, path: 'news' }

async function knowers(simulation: Simulation): Promise<number> {
  const found = await Promise.all(simulation.running().map(({ replica }) => replica.store.get(entryKey(PLACE))))
  return found.filter((row) => row !== undefined).length
}

async function rumoursAlone(nodes: number, seed: number): Promise<Omit<Spread, 'allMs'>> {
  const simulation = await Simulation.start({ nodes, seed, timing: { exchangeIntervalMs: NEVER_MS, tidyIntervalMs: NEVER_MS } })
  await new History(simulation).change(0, PLACE.path, 'put')
  const curve: { readonly atMs: number; readonly known: number }[] = []
  const startMs = simulation.nowMs
  await simulation.runUntil(async () => {
    curve.push({ atMs: simulation.nowMs - startMs, known: await knowers(simulation) })
    return simulation.running().every(({ replica }) => replica.rumours.size === 0)
  }, SPREAD_MS_MAX)
  const reached = curve.at(-1)?.known ?? 0
  const when = (count: number) => curve.find(({ known }) => known >= count)?.atMs ?? SPREAD_MS_MAX
  const told = simulation.running().reduce((sum, { node }) => sum + node.counts.rumoursTold, 0)
  const [halfMs, mostMs, lastMs] = [when(nodes / 2), when(reached * 0.99), when(reached)]
  return { halfMs, mostMs, lastMs, missed: 1 - reached / nodes, tellings: told / nodes }
}

async function untilAll(nodes: number, seed: number): Promise<number> {
  const simulation = await Simulation.start({ nodes, seed })
  await new History(simulation).change(0, PLACE.path, 'put')
  return simulation.runUntil(async () => (await knowers(simulation)) === nodes, SPREAD_MS_MAX)
}

async function measure(nodes: number, seeds: number): Promise<Spread> {
  const runs: Spread[] = []
  for (let seed = 1; seed <= seeds; seed += 1)
    runs.push({ ...(await rumoursAlone(nodes, seed)), allMs: await untilAll(nodes, seed) })
  const mean = (key: keyof Spread) => runs.reduce((sum, run) => sum + run[key], 0) / runs.length
  const [halfMs, mostMs, lastMs] = [mean('halfMs'), mean('mostMs'), mean('lastMs')]
  return { halfMs, mostMs, lastMs, missed: mean('missed'), tellings: mean('tellings'), allMs: mean('allMs') }
}

async function spread(): Promise<void> {
  const rows: { readonly nodes: number; readonly spread: Spread }[] = []
  for (const nodes of values.nodes.split(',').map(Number)) {
    const found = await measure(nodes, Number(values.seeds))
    rows.push({ nodes, spread: found })
    const { halfMs, mostMs, lastMs, missed, tellings, allMs } = found
    const times = [halfMs, mostMs, lastMs, allMs].map((ms) => Math.round(ms))
    console.log(
      `| ${nodes} | ${times.slice(0, 3).join(' | ')} | ${(missed * 100).toFixed(2)} % | ${tellings.toFixed(2)} | ${times[3]} |`,
    )
  }
  if (!values.draw) return
  const line = (key: keyof Spread) => rows.map(({ nodes, spread: it }) => [nodes, it[key]] as const)
  const xLabel = 'nodes (logarithmic)'
  const times = drawChart({
    title: 'One change, from its write',
    xLabel,
    yLabel: 'milliseconds',
    series: [
      { name: 'half of the nodes have it', colour: '#2a9d8f', points: line('halfMs') },
      { name: '99 % of those that rumours reach', colour: '#264653', points: line('mostMs') },
      { name: 'all, with anti-entropy', colour: '#e76f51', points: line('allMs') },
    ],
  })
  const tellings = drawChart({
    title: 'Rumours of one change, told and answered',
    xLabel,
    yLabel: 'tellings a node',
    series: [
      { name: 'simulated', colour: '#264653', points: line('tellings') },
      {
        name: 'Demers and others, 1,000 sites, counter 3: 4.5',
        colour: '#e76f51',
        isDashed: true,
        points: rows.map(({ nodes }) => [nodes, 4.5]),
      },
    ],
  })
  writeFileSync('docs/benchmarks/eventual-time.svg', times)
  writeFileSync('docs/benchmarks/eventual-tellings.svg', tellings)
}

async function faults(count: number): Promise<void> {
  for (let seed = 1; seed <= count; seed += 1) {
    const run = await runFaults({ nodes: 3 + (seed % 5), seed })
    if (run.faults.length > 0) {
      console.error(`SHOAL_EVENTUAL_SEED=${seed}: ${run.faults.slice(0, 5).join('; ')}`)
      process.exitCode = 1
    }
  }
  console.log(`${count} runs`)
}

await (values.faults === undefined ? spread() : faults(Number(values.faults)))
