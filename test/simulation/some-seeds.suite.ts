import assert from 'node:assert/strict'
import { simulateApart } from './seeds-apart.ts'

/** Runs the seeds; each must keep every promise. */
export async function runSeeds({ from, to }: { readonly from: number; readonly to: number }): Promise<void> {
  const sums = { done: 0, acknowledged: 0, terms: 0, chunks: 0, handOvers: 0, removed: 0 }
  const failed: string[] = []
  const seeds = Array.from({ length: to - from + 1 }, (_, index) => from + index)
  await simulateApart(seeds, undefined, ({ seed, problems, trace, counts, terms, chunks, handOvers }) => {
    if (problems.length > 0) failed.push(`npm run sim -- --seed ${seed}: ${problems.join('\n')}\n${trace.join('; ')}`)
    sums.done += 1
    sums.acknowledged += counts.acknowledged
    sums.terms += terms
    sums.chunks += chunks
    sums.handOvers += handOvers
    sums.removed += trace.filter((line) => line.endsWith('is removed')).length
  })
  assert.deepEqual(failed, [])
  // It must have been worth it.
  assert.equal(sums.done, seeds.length)
  assert.ok(sums.acknowledged > 80 * seeds.length, `${sums.acknowledged} operations were acknowledged`)
  assert.ok(sums.terms > 2 * seeds.length, `there were ${sums.terms} terms`)
  assert.ok(sums.chunks > seeds.length, `${sums.chunks} chunks were left`)
  assert.ok(sums.handOvers > seeds.length / 10, `${sums.handOvers} leaders whose storage failed handed over`)
  assert.ok(sums.removed > seeds.length / 10, `${sums.removed} nodes were removed`)
}
