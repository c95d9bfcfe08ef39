import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'
import { simulate } from './replicated-simulation.suite.ts'
import type { SimulationOptions } from './replicated-simulation.suite.ts'
import { contradictions } from './shared-list.suite.ts'

const SEEDS = Number(process.env['SHOAL_SEEDS'] ?? 25)
const FIRST_SEED = Number(process.env['SHOAL_SEED'] ?? 1)

/** What is wrong with one run. */
async function wrongWith(
  options: SimulationOptions,
): Promise<{ wrong: string[]; terms: number; installed: number; acknowledged: number }> {
  const { history, lists, terms, installed } = await simulate(options)
  const [list = []] = lists
  const wrong = contradictions(history, list)
  for (const other of lists) if (JSON.stringify(other) !== JSON.stringify(list)) wrong.push('two replicas differ')
  return { wrong, terms, installed, acknowledged: history.filter(({ result }) => result !== undefined).length }
}

test('through kills, partitions, lost and late requests no acknowledged change is lost, none that was refused is made, reads at any replica are linearizable, and all replicas end alike', async () => {
  const total = { terms: 0, installed: 0, acknowledged: 0 }
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
    const { wrong, terms, installed, acknowledged } = await wrongWith({ seed })
    assert.deepEqual(wrong, [], `SHOAL_SEED=${seed} SHOAL_SEEDS=1 replays it`)
    total.terms += terms
    total.installed += installed
    total.acknowledged += acknowledged
  }
  if (SEEDS < 25) return
  assert.ok(total.terms > 3 * SEEDS, `${total.terms} terms`)
  assert.ok(total.installed > SEEDS / 4, `${total.installed} snapshots`)
  assert.ok(total.acknowledged > 100 * SEEDS, `${total.acknowledged} answers`)
})

/** Whether one of some seeds shows a planted defect. */
async function isFound(defect: Omit<SimulationOptions, 'seed'>): Promise<boolean> {
  for (let seed = 1; seed <= 30; seed += 1) {
    const { wrong } = await wrongWith({ ...defect, seed }).catch((error: unknown) => ({ wrong: [String(error)] }))
    if (wrong.length > 0) return true
  }
  return false
}

/** A log with one call replaced. */
function replacing<Name extends keyof SharedLog>(
  name: Name,
  replace: (log: MemoryLogClient) => SharedLog[Name],
): (log: MemoryLogClient) => SharedLog {
  return (log) =>
    new Proxy<SharedLog>(log, {
      get: (_, wanted) => {
        if (wanted === name) return replace(log)
        const value: unknown = Reflect.get(log, wanted)
        return typeof value === 'function' ? value.bind(log) : value
      },
    })
}

test('canary: a leader that acknowledges before the append is found', async () => {
  const between = replacing('append', (log) => async (entry) => {
    void log.append(entry).catch(() => {})
    return 'appended'
  })
  assert.ok(await isFound({ between }))
})

test('canary: a leader that takes a lost answer for a failure is found', async () => {
  const between = replacing('append', (log) => (entry) => log.append(entry).catch(() => 'deposed' as const))
  assert.ok(await isFound({ between }))
})

test('canary: reads that ask neither lease nor log are found', async () => {
  assert.ok(await isFound({ reader: (store) => store.stale }))
})

test('canary: a lease that is trusted for ever is found', async () => {
  const between = replacing('lead', (log) => async (candidate, signal) => {
    const term = await log.lead(candidate, signal)
    const lost = new AbortController()
    const resign = (): Promise<void> => {
      lost.abort()
      return term.resign()
    }
    return {
      epoch: term.epoch,
      lost: lost.signal,
      isLeased: () => !lost.signal.aborted,
      leasedMs: () => (lost.signal.aborted ? 0 : 1_000),
      resign,
    }
  })
  assert.ok(await isFound({ between }))
})
