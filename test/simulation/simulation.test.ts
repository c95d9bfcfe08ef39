import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'
import { simulate } from './simulation.ts'
import type { SimulationOptions } from './simulation.ts'

/** `npm run sim` runs more of them, and one by itself with its trace. */
const SEEDS = 200
const CANARY_SEEDS = 40

test(`a cluster under faults keeps its promises (${SEEDS} seeds)`, async () => {
  const sums = { acknowledged: 0, terms: 0, chunks: 0 }
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { problems, trace, counts, terms, chunks } = await simulate({ seed })
    assert.deepEqual(problems, [], `seed ${seed}: ${trace.join('; ')}`)
    sums.acknowledged += counts.acknowledged
    sums.terms += terms
    sums.chunks += chunks
  }
  // It must have been worth it.
  assert.ok(sums.acknowledged > 200 * SEEDS, `${sums.acknowledged} operations were acknowledged`)
  assert.ok(sums.terms > 2 * SEEDS, `there were ${sums.terms} terms`)
  assert.ok(sums.chunks > SEEDS, `${sums.chunks} chunks were left`)
})

test('a seed gives the same every time', async () => {
  const [first, second] = [await simulate({ seed: 7 }), await simulate({ seed: 7 })]
  assert.deepEqual(first, second)
})

/** A run that breaks off has found something, too. */
async function isFound(options: Omit<SimulationOptions, 'seed'>): Promise<boolean> {
  for (let seed = 1; seed <= CANARY_SEEDS; seed += 1) {
    const { problems } = await simulate({ ...options, seed }).catch((error: unknown) => ({ problems: [String(error)] }))
    if (problems.length > 0) return true
  }
  return false
}

function replacingAppend(append: (log: MemoryLogClient) => SharedLog['append']): (log: MemoryLogClient) => SharedLog {
  return (log) =>
    new Proxy(log, {
      get: (target, name) => {
        if (name === 'append') return append(target)
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
}

test('canary: metadata that are acknowledged before they are in the log are found', async () => {
  const between = replacingAppend((log) => async (entry) => {
    void log.append(entry).catch(() => {})
    return 'appended'
  })
  assert.ok(await isFound({ between }))
})

test('canary: a lost answer of the log that is taken for a refusal is found', async () => {
  const between = replacingAppend((log) => (entry) => log.append(entry).catch(() => 'deposed' as const))
  assert.ok(await isFound({ between }))
})

test('canary: disks that forget what they were told to keep are found', async () => {
  assert.ok(await isFound({ isForgetful: true }))
})
