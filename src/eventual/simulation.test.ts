import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History } from './simulation-history.suite.ts'
import { Simulation } from './simulation.suite.ts'

for (const loss of [0.05, 0.2, 0.4]) {
  test(`seven nodes that lose ${loss * 100} % of their messages agree on everything, and nothing is lost`, async () => {
    const simulation = await Simulation.start({ nodes: 7, seed: loss * 100, loss })
    const history = new History(simulation)
    for (let round = 0; round < 200; round += 1) {
      const { random } = simulation
      await history.change(random.below(7), `f${random.below(40)}`, random.chance(0.2) ? 'remove' : 'put')
      await simulation.run(20)
    }
    const tookMs = await simulation.runUntil(() => simulation.isConverged(), 300_000, 100)
    assert.ok(tookMs < 300_000, 'they do not agree')
    assert.deepEqual(await history.allFaults(), [])
    assert.equal(history.acknowledged, 200)
  })
}
