import assert from 'node:assert/strict'
import { simulate } from './simulation.ts'

/** Runs the seeds; each must keep every promise. */
export async function runSeeds({ from, to }: { readonly from: number; readonly to: number }): Promise<void> {
  const sums = { acknowledged: 0, terms: 0, chunks: 0, removed: 0 }
  for (let seed = from; seed <= to; seed += 1) {
    const { problems, trace, counts, terms, chunks } = await simulate({ seed })
    assert.deepEqual(problems, [], `npm run sim -- --seed ${seed}: ${trace.join('; ')}`)
    sums.acknowledged += counts.acknowledged
    sums.terms += terms
    sums.chunks += chunks
    sums.removed += trace.filter((line) => line.endsWith('is removed')).length
  }
  // It must have been worth it.
  const seeds = to - from + 1
  assert.ok(sums.acknowledged > 80 * seeds, `${sums.acknowledged} operations were acknowledged`)
  assert.ok(sums.terms > 2 * seeds, `there were ${sums.terms} terms`)
  assert.ok(sums.chunks > seeds, `${sums.chunks} chunks were left`)
  assert.ok(sums.removed > seeds / 10, `${sums.removed} nodes were removed`)
}
