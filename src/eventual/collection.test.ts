import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { MemoryDisk } from '#kv/memory.ts'
import { History } from './simulation-history.suite.ts'
import { Simulation } from './simulation.suite.ts'

const TIMING = { exchangeIntervalMs: 1000, tidyIntervalMs: 2000 }

async function removals(simulation: Simulation): Promise<number[]> {
  const counts: number[] = []
  for (const [index, { life }] of simulation.nodes.entries())
    if (life !== undefined) counts.push((await simulation.kept(index)).removals)
  return counts
}

/** Seven nodes with ten files on each, of which five were removed while node 6 was down, if it was. */
async function withRemovals(isDown: boolean) {
  const simulation = await Simulation.start({ nodes: 7, seed: 1, timing: TIMING, floorStepMs: 1000 })
  const history = new History(simulation)
  for (let file = 0; file < 10; file += 1) await history.change(file % 7, `f${file}`, 'put')
  assert.ok((await simulation.runUntil(() => simulation.isConverged(), 60_000, 200)) < 60_000)
  const disk = copyOf(simulation.nodes[6]!.disk)
  if (isDown) simulation.crash(6)
  for (let file = 0; file < 5; file += 1) await history.change(file % 3, `f${file}`, 'remove')
  return { simulation, history, disk }
}

function copyOf(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk()
  for (const [name, entry] of disk.entries.entries()) copy.entries.set(name, entry)
  return copy
}

test('removals are forgotten when every member knows of them, and nothing is kept of them then', async () => {
  const { simulation, history } = await withRemovals(false)
  assert.ok(Math.max(...(await removals(simulation))) > 0)
  await simulation.run(30_000)
  assert.deepEqual(await removals(simulation), [0, 0, 0, 0, 0, 0, 0])
  assert.equal((await simulation.kept(0)).entries, 5)
  assert.deepEqual(await history.allFaults(), [])
})

test('removals are kept for a member that is away, and forgotten after it is back', async () => {
  const { simulation, history } = await withRemovals(true)
  await simulation.run(60_000)
  assert.deepEqual(await removals(simulation), [5, 5, 5, 5, 5, 5])
  await simulation.boot(6)
  await simulation.run(30_000)
  assert.deepEqual(await removals(simulation), [0, 0, 0, 0, 0, 0, 0])
  assert.deepEqual(await history.allFaults(), [])
})

test('by an operator’s word a lost member is waited for no more; when it comes back all the same, it is refused and told why', async () => {
  const { simulation, history } = await withRemovals(true)
  await simulation.life(0).replica.remove(simulation.nodes[6]!.id)
  await simulation.run(60_000)
  assert.deepEqual(await removals(simulation), [0, 0, 0, 0, 0, 0])
  await simulation.boot(6)
  let refusal: unknown
  const asked = simulation
    .life(6)
    .node.exchangeWith(simulation.nodes[0]!.id)
    .catch((error: unknown) => (refusal = error))
  await simulation.run(5000)
  await asked
  assert.ok(isShoalError(refusal, 'FORBIDDEN') && refusal.message.includes('with a new data folder'))
  for (let index = 0; index < 6; index += 1) assert.deepEqual(await history.faults(index), [])
})

test('a member that comes back with a disk of long ago, after its removals were forgotten, raises nothing from the dead', async () => {
  const { simulation, history, disk } = await withRemovals(false)
  await simulation.run(30_000)
  assert.deepEqual(await removals(simulation), [0, 0, 0, 0, 0, 0, 0])
  simulation.crash(6)
  simulation.nodes[6]!.disk = disk
  await simulation.boot(6)
  assert.ok((await history.faults(6)).length >= 5, 'the old disk has nothing that could rise')
  assert.ok((await simulation.runUntil(() => simulation.isConverged(), 60_000, 200)) < 60_000)
  assert.deepEqual(await history.allFaults(), [])
})

test('what a lost member wrote last stays, also if only one other node had heard of it', async () => {
  const simulation = await Simulation.start({ nodes: 5, seed: 3, timing: TIMING, floorStepMs: 1000 })
  const history = new History(simulation)
  await simulation.run(20_000)
  // Nodes 0 and 1 are cut off together; 0 writes, 1 hears of it, and 0 is lost.
  simulation.cuts = (from, to) => from < 2 !== to < 2
  await history.change(0, 'last', 'put')
  await simulation.run(5000)
  simulation.crash(0)
  await simulation.life(4).replica.remove(simulation.nodes[0]!.id)
  await simulation.run(60_000)
  simulation.cuts = () => false
  await simulation.run(60_000)
  assert.deepEqual(await history.allFaults(), [])
})
