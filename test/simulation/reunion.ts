// Nodes that were cut apart find each other again: gossip decides whom eventual volumes talk to, so how long they take to agree depends on both.

import { History } from '#eventual/simulation-history.suite.ts'
import { Simulation } from '#eventual/simulation.suite.ts'
import { Simulation as Gossip } from '#membership/simulation.suite.ts'

export interface ReunionOptions {
  /** By node: on which side it is while they are cut apart. */
  readonly sides: readonly number[]
  readonly cutMs: number
  readonly seed: number
  /** How often gossip asks one of those it has given up; its own figure unless given. */
  readonly reconnectIntervalMs?: number
}

export interface Reunion {
  /** From healing until everybody knows of everybody, and until all have the same. */
  readonly knownMs: number
  readonly agreedMs: number
  readonly faults: readonly string[]
}

/** Both simulations go on by so much in turn. */
const STEP_MS = 50
const LIMIT_MS = 300_000
/** As over the wire. */
const CALL_MS = 6_000
const JOINED_MS = 10_000

export async function runReunion({ sides, cutMs, seed, reconnectIntervalMs }: ReunionOptions): Promise<Reunion> {
  const nodes = sides.length
  const timing = reconnectIntervalMs === undefined ? {} : { timing: { reconnectIntervalMs } }
  const gossip = new Gossip({ nodes, seed, warm: true, ...timing })
  const running = (from: number, to: number): boolean => gossip.core(from).member(gossip.node(to).id)?.liveness === 'alive'
  const volumes = await Simulation.start({ nodes, seed, running, timeoutMs: CALL_MS })
  const history = new History(volumes)
  const step = async (): Promise<void> => {
    gossip.run(STEP_MS)
    await volumes.run(STEP_MS)
  }
  for (let passedMs = 0; passedMs < JOINED_MS; passedMs += STEP_MS) await step()
  const cut = (from: number, to: number): boolean => sides[from] !== sides[to]
  gossip.cuts = cut
  volumes.cuts = cut
  for (let passedMs = 0; passedMs < cutMs; passedMs += STEP_MS) {
    // Twenty writes a second on each side, of which a quarter is contested.
    if (passedMs % 500 === 0)
      for (const side of new Set(sides)) {
        const at = sides.indexOf(side)
        void history.change(
          at,
          volumes.random.chance(0.25) ? `contested-${volumes.random.below(5)}` : `of-${side}-${passedMs}`,
          'put',
        )
      }
    await step()
  }
  gossip.cuts = () => false
  volumes.cuts = () => false
  let [knownMs, passedMs] = [0, 0]
  for (; passedMs < LIMIT_MS; passedMs += STEP_MS) {
    if (knownMs === 0 && gossip.isConverged()) knownMs = passedMs
    if (knownMs > 0 && passedMs % 500 === 0 && (await volumes.isConverged())) break
    await step()
  }
  return { knownMs, agreedMs: passedMs, faults: [...gossip.violations, ...(await history.allFaults())] }
}
