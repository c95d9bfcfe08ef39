// A run of everything that can go wrong, drawn from a seed: what is wrong at its end is said in sentences.

import { History } from './simulation-history.suite.ts'
import { Simulation, type SimulationOptions } from './simulation.suite.ts'

export interface FaultRun {
  readonly faults: readonly string[]
  readonly acknowledged: number
  readonly wipes: number
  readonly crashes: number
  readonly convergedMs: number
  readonly calls: number
}

const CONVERGE_MS = 600_000
const QUIET_MS = 120_000

export async function runFaults(options: SimulationOptions & { readonly rounds?: number }): Promise<FaultRun> {
  const { nodes, rounds = 120 } = options
  const timing = { exchangeIntervalMs: 2000, tidyIntervalMs: 3000, ...options.timing }
  const simulation = await Simulation.start({ clockErrorMs: 3_600_000, commitMsMax: 8, loss: 0.1, ...options, timing })
  const { random } = simulation
  const history = new History(simulation)
  let [crashes, wipes] = [0, 0]
  for (let round = 0; round < rounds; round += 1) {
    const index = random.below(nodes)
    const isUp = simulation.nodes[index]!.life !== undefined
    const drawn = random.fraction()
    const members = simulation.running().filter(({ replica }) => replica.isAdmitted).length
    if (drawn < 0.8) {
      void history.change(index, `d${random.below(3)}/f${random.below(10)}`, random.chance(0.3) ? 'remove' : 'put')
    } else if (drawn < 0.86) {
      const side = Array.from({ length: nodes }, () => random.below(random.chance(0.2) ? nodes : 2))
      simulation.cuts = (from, to) => side[from] !== side[to]
    } else if (drawn < 0.9) simulation.cuts = () => false
    else if (!isUp) await simulation.boot(index)
    else if (members > 2 && drawn < 0.915) {
      history.forgive(index)
      wipes += 1
      await simulation.wipe(index)
    } else if (members > 2) {
      simulation.crash(index)
      crashes += 1
    }
    await simulation.run(random.below(600))
  }
  simulation.cuts = () => false
  for (const [index, { life }] of simulation.nodes.entries()) if (life === undefined) await simulation.boot(index)
  await simulation.repeatRemovals()
  const convergedMs = await simulation.runUntil(() => simulation.isConverged(), CONVERGE_MS, 200)
  const faults = convergedMs < CONVERGE_MS ? [] : ['the nodes do not agree']
  faults.push(...(await history.allFaults()))
  await simulation.run(QUIET_MS)
  for (const index of simulation.nodes.keys()) {
    const { removals, rumours } = await simulation.kept(index)
    if (removals > 0) faults.push(`node ${index} still keeps ${removals} removals`)
    if (rumours > 0) faults.push(`node ${index} still tells ${rumours} rumours`)
  }
  if (!(await simulation.isConverged())) faults.push('the nodes do not agree any more')
  faults.push(...(await history.allFaults()))
  return { faults, acknowledged: history.acknowledged, wipes, crashes, convergedMs, calls: simulation.calls }
}
