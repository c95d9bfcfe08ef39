import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History, textOf, valueOf, VOLUME } from './simulation-history.suite.ts'
import { EventualNamespace } from './namespace.ts'
import { Simulation } from './simulation.suite.ts'
import { EventualVolumes } from './volumes.ts'

const PARTITIONS = { '2 + 5': [0, 0, 1, 1, 1, 1, 1], '1 + 6': [0, 1, 1, 1, 1, 1, 1], '7 singletons': [0, 1, 2, 3, 4, 5, 6] }

for (const [name, sides] of Object.entries(PARTITIONS)) {
  test(`after a minute of conflicting writes on both sides of ${name} all are the same, and every losing version is listed and restorable`, async () => {
    const simulation = await Simulation.start({ nodes: 7, seed: 5, clockErrorMs: 3_600_000 })
    const history = new History(simulation)
    for (let file = 0; file < 20; file += 1) await history.change(file % 7, `f${file}`, 'put')
    await simulation.runUntil(() => simulation.isConverged(), 60_000, 200)
    simulation.cuts = (from, to) => sides[from] !== sides[to]
    for (let second = 0; second < 60; second += 1) {
      await history.change(simulation.random.below(7), `f${second % 20}`, 'put')
      await history.change(simulation.random.below(7), `f${second % 20}`, 'put')
      await simulation.run(1000)
    }
    assert.equal(history.acknowledged, 140)
    simulation.cuts = () => false
    assert.ok((await simulation.runUntil(() => simulation.isConverged(), 120_000, 200)) < 120_000, 'they do not agree')
    assert.deepEqual(await history.allFaults(), [])
    const docs = new EventualNamespace(simulation.life(3).replica, VOLUME)
    const { conflicts } = await docs.conflicts()
    assert.ok(conflicts.length >= 10, `${conflicts.length} conflicts`)
    for (const { path, versions } of conflicts) {
      const lost = versions.at(-1)!
      await docs.restore(path, lost)
      assert.equal(textOf((await docs.stat(path))?.version), textOf(lost))
    }
    assert.ok((await simulation.runUntil(() => simulation.isConverged(), 60_000, 200)) < 60_000)
    const other = new EventualNamespace(simulation.life(0).replica, VOLUME)
    assert.deepEqual((await other.conflicts()).conflicts, [])
  })
}

test('with keep-both every version of either side has a name after the partition, once, on all nodes', async () => {
  const simulation = await Simulation.start({ nodes: 7, seed: 6, loss: 0.1, clockErrorMs: 3_600_000 })
  await new EventualVolumes(simulation.life(0).replica).create('both', { onConflict: 'keep-both' }, { timeNs: 0n })
  await simulation.runUntil(() => simulation.isConverged(), 60_000, 200)
  simulation.cuts = (from, to) => from < 2 !== to < 2
  for (let file = 0; file < 30; file += 1)
    for (const index of [file % 2, 2 + (file % 5)])
      await new EventualNamespace(simulation.life(index).replica, 'both').put(`f${file}.txt`, valueOf(`${file} of ${index}`))
  await simulation.run(5000)
  simulation.cuts = () => false
  // The nodes agree for a moment before the losers' writers have heard of the winners, too.
  await simulation.run(30_000)
  assert.ok((await simulation.runUntil(() => simulation.isConverged(), 60_000, 200)) < 60_000)
  for (const index of [0, 6]) {
    const docs = new EventualNamespace(simulation.life(index).replica, 'both')
    const texts = (await docs.list()).items.map((item) => ('entry' in item ? textOf(item.entry.version) : undefined))
    assert.deepEqual([texts.length, new Set(texts).size], [60, 60])
    assert.deepEqual((await docs.conflicts()).conflicts, [])
  }
})
