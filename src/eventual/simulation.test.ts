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

test('at rest nodes say less than 5 KB/s each, and no rumours', async () => {
  for (const nodes of [7, 20]) {
    const simulation = await Simulation.start({ nodes, seed: 1 })
    const history = new History(simulation)
    for (let file = 0; file < 100; file += 1) await history.change(file % nodes, `f${file}`, 'put')
    await simulation.run(20_000)
    assert.ok(await simulation.isConverged())
    const [bytes, startMs] = [simulation.bytes, simulation.nowMs]
    await simulation.run(30_000)
    // What a node sends, and what it gets.
    const perNode = ((simulation.bytes - bytes) * 2) / nodes / ((simulation.nowMs - startMs) / 1000)
    assert.ok(perNode > 0 && perNode < 5000, `${perNode} bytes a second among ${nodes} nodes`)
    assert.equal((await simulation.kept(0)).rumours, 0)
  }
})

test('a change reaches nearly all in a time that grows with the logarithm of the nodes, with some five tellings a node', async () => {
  const spread = async (nodes: number) => {
    const timing = { exchangeIntervalMs: 1e9, tidyIntervalMs: 1e9 }
    const [times, tellings]: [number[], number[]] = [[], []]
    for (const seed of [1, 2, 3]) {
      const simulation = await Simulation.start({ nodes, seed, timing })
      await new History(simulation).change(0, 'news', 'put')
      const knows = async () => await Promise.all([...simulation.nodes.keys()].map((index) => simulation.kept(index)))
      const known = async () => (await knows()).filter(({ entries }) => entries > 0).length
      times.push(await simulation.runUntil(async () => (await known()) >= nodes * 0.9, 20_000))
      await simulation.run(5000)
      assert.ok((await known()) >= nodes * 0.9)
      tellings.push(simulation.running().reduce((sum, { node }) => sum + node.counts.rumoursTold, 0) / nodes)
    }
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    return { timeMs: mean(times), tellings: mean(tellings) }
  }
  const [small, large] = [await spread(8), await spread(64)]
  // Eight times the nodes are three doublings: a few rounds of 200 ms, not eight times as long.
  assert.ok(large.timeMs < small.timeMs + 3 * 300, `${small.timeMs} ms among 8, ${large.timeMs} ms among 64 nodes`)
  for (const { tellings } of [small, large]) assert.ok(tellings > 3 && tellings < 6, `${tellings} tellings a node`)
})

test('the same seed gives the same run', async () => {
  const run = async () => {
    const simulation = await Simulation.start({ nodes: 5, seed: 9, loss: 0.2 })
    const history = new History(simulation)
    for (let file = 0; file < 20; file += 1) {
      await history.change(file % 5, `f${file % 7}`, 'put')
      await simulation.run(100)
    }
    return [simulation.calls, simulation.bytes, await simulation.digest(0)]
  }
  assert.deepEqual(await run(), await run())
})
