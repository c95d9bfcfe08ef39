import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodePacket, encodePacket } from './message.ts'
import { Simulation } from './simulation.suite.ts'
import { encodeUpdate } from './update.ts'

/** Replay one run with `SHOAL_GOSSIP_SEED=17`, or ask for more than the usual number with `SHOAL_GOSSIP_SEEDS=1000`. */
const only = Number(process.env['SHOAL_GOSSIP_SEED'] ?? 0)
const SEEDS = only > 0 ? [only] : Array.from({ length: Number(process.env['SHOAL_GOSSIP_SEEDS'] ?? 25) }, (_, index) => index + 1)

test('nodes that join one after another through the first all know each other within seconds', () => {
  for (const nodes of [3, 25, 80]) {
    const simulation = new Simulation({ nodes, seed: nodes })
    const tookMs = simulation.runUntil(() => simulation.isConverged(), 30_000)
    assert.ok(tookMs < 5000, `${nodes} nodes took ${tookMs} ms`)
  }
})

test('a cluster that was cut in two finds together again by itself, and nobody who ran stays lost', () => {
  for (const nodes of [4, 12, 40]) {
    const simulation = new Simulation({ nodes, seed: nodes, warm: true })
    simulation.run(5000)
    simulation.cuts = (from, to) => from % 2 !== to % 2
    simulation.run(90_000)
    const halves = simulation.viewOf(0)
    assert.equal([...halves.values()].filter((state) => state === 'alive').length, nodes / 2)
    simulation.cuts = () => false
    const tookMs = simulation.runUntil(() => simulation.isConverged(), 60_000)
    assert.ok(tookMs < 15_000, `${nodes} nodes took ${tookMs} ms`)
    assert.deepEqual(simulation.violations, [])
  }
})

test('a link that is cut in one direction or both harms nobody as long as others reach both ends', () => {
  for (const isBothWays of [false, true]) {
    const simulation = new Simulation({ nodes: 6, seed: 2, warm: true })
    simulation.cuts = (from, to) => (from === 1 && to === 2) || (isBothWays && from === 2 && to === 1)
    simulation.run(120_000)
    assert.equal(simulation.falseDeaths(), 0)
  }
})

test('a node that can send and not receive counts as dead, and is itself again when it can', () => {
  const simulation = new Simulation({ nodes: 6, seed: 4, warm: true })
  simulation.cuts = (_, to) => to === 3
  simulation.run(30_000)
  for (const [observer, view] of simulation.views()) if (observer !== 3) assert.notEqual(view.get(3), 'alive')
  simulation.cuts = () => false
  assert.ok(simulation.runUntil(() => simulation.isConverged(), 60_000) < 20_000)
})

test('a node that crashed comes back as itself, with what it says now', () => {
  const simulation = new Simulation({ nodes: 7, seed: 6, warm: true })
  simulation.run(3000)
  simulation.crash(3)
  simulation.run(20_000)
  simulation.restart(3, { version: '0.3.0', mode: 'joining' })
  simulation.runUntil(() => [...simulation.views().values()].every((view) => view.get(3) === 'joining'), 5000)
  for (const core of simulation.cores()) {
    const member = core.members().find(({ id }) => id === simulation.node(3).id)
    assert.deepEqual([member?.state, member?.facts.version], ['joining', '0.3.0'])
    assert.equal(core.members().length, 7)
  }
  assert.deepEqual(simulation.violations, [])
})

test('a node that restarts faster than it is missed is never taken for dead', () => {
  const simulation = new Simulation({ nodes: 5, seed: 8, warm: true })
  for (let round = 0; round < 5; round += 1) {
    simulation.run(3000)
    simulation.crash(2)
    simulation.run(1200)
    simulation.restart(2)
  }
  simulation.run(20_000)
  assert.equal(simulation.observations.filter(({ kind }) => kind === 'died').length, 0)
  assert.ok(simulation.isConverged())
})

test('a node that leaves is never suspected, and never runs again for anybody', () => {
  const simulation = new Simulation({ nodes: 12, seed: 9, warm: true, loss: 0.05, duplicates: 0.2, delayMsMax: 400 })
  simulation.run(3000)
  // One is cut off while it happens and knows nothing of it, one stands still.
  simulation.cuts = (from, to) => from === 5 || to === 5
  simulation.pause(6, 30_000)
  simulation.leave(4)
  simulation.run(2000)
  simulation.crash(4)
  simulation.run(30_000)
  simulation.cuts = () => false
  assert.ok(simulation.runUntil(() => simulation.isConverged(), 60_000) < 30_000)
  const told = simulation.observations.filter(({ subject, observer }) => subject === 4 && observer !== 5 && observer !== 6)
  assert.deepEqual(new Set(told.map(({ kind }) => kind)), new Set(['left']))
  assert.deepEqual(simulation.violations, [])
})

test('a node whose id was taken away learns it, is refused, and comes back for nobody', () => {
  const simulation = new Simulation({ nodes: 8, seed: 10, warm: true, delayMsMax: 100 })
  simulation.cuts = (from, to) => from === 3 || to === 3
  simulation.run(30_000)
  simulation.remove(3, 0)
  simulation.run(3000)
  simulation.cuts = () => false
  simulation.run(30_000)
  assert.ok(simulation.core(3).removed.has(simulation.node(3).id), 'it was not told')
  simulation.restart(3)
  simulation.run(30_000)
  for (const [observer, view] of simulation.views()) if (observer !== 3) assert.equal(view.get(3), undefined)
  const [answer] = simulation.step(1, { kind: 'exchange-asked', bytes: simulation.core(3).exchangeBytes() })
  assert.ok(answer?.kind === 'refuse' && answer.error.code === 'FORBIDDEN')
  assert.deepEqual(simulation.violations, [])
})

test('the dead are forgotten after their time, by everybody and for good', () => {
  const simulation = new Simulation({
    nodes: 9,
    seed: 12,
    warm: true,
    timing: { goneRetentionMs: 60_000, exchangeIntervalMs: 2000 },
  })
  simulation.run(2000)
  simulation.crash(1)
  simulation.leave(2)
  simulation.run(1000)
  simulation.crash(2)
  simulation.run(30_000)
  for (const view of simulation.views().values()) assert.deepEqual([view.get(1), view.get(2)], ['dead', 'left'])
  simulation.run(60_000)
  for (const view of simulation.views().values()) assert.equal(view.size, 7)
  simulation.run(120_000)
  for (const view of simulation.views().values()) assert.equal(view.size, 7)
})

test('whatever fails, once it stops everybody knows who runs', () => {
  for (const seed of SEEDS) {
    const replay = `replay with SHOAL_GOSSIP_SEED=${seed}`
    const simulation = chaos(seed)
    const tookMs = simulation.runUntil(() => simulation.isConverged(), 60_000)
    assert.deepEqual(simulation.violations, [], replay)
    assert.ok(tookMs < 60_000, `${replay}: they don't agree`)
  }
})

test('a seed repeats everything exactly, and another one is another run', () => {
  assert.equal(chaos(1).digest, chaos(1).digest)
  assert.notEqual(chaos(1).digest, chaos(2).digest)
})

/** A minute and a half of crashes, restarts, pauses, partitions, departures, removals, loss and delay. */
function chaos(seed: number, plant?: (bytes: Buffer, from: number) => Buffer): Simulation {
  const nodes = 3 + (seed % 18)
  const network = { loss: 0.1, duplicates: 0.1, delayMsMax: 300, drift: 0.03 }
  const simulation = new Simulation({ nodes, seed, ...network, ...(plant === undefined ? {} : { plant }) })
  const { random } = simulation
  simulation.run(5000)
  // Those that leave or are removed are gone for good; the rest come back in the end.
  const gone = new Set<number>()
  for (let step = 0; step < 25; step += 1) {
    const index = random.below(nodes)
    const { isUp } = simulation.node(index)
    const choice = random.below(8)
    if (choice <= 1 && isUp) simulation.crash(index)
    else if (choice <= 3 && !isUp && !gone.has(index)) simulation.restart(index)
    else if (choice === 4 && isUp) simulation.pause(index, random.below(15_000))
    else if (choice === 5) {
      const cutSeed = random.below(2 ** 30)
      const oneWay = random.chance(0.5)
      simulation.cuts = (from, to) => ((cutSeed >> (from % 30)) & 1) !== ((cutSeed >> (to % 30)) & 1) && (!oneWay || from < to)
    } else if (choice === 6) simulation.cuts = () => false
    else if (choice === 7 && index > 1 && gone.size < 3 && isUp && !gone.has(index)) {
      gone.add(index)
      if (random.chance(0.5)) simulation.leave(index)
      else simulation.remove(index, 0)
    }
    simulation.run(random.below(7000))
  }
  simulation.cuts = () => false
  for (let index = 0; index < nodes; index += 1)
    if (!gone.has(index) && !simulation.node(index).isUp) simulation.restart(index)
    else if (gone.has(index)) simulation.crash(index)
  return simulation
}

test('canary: a node that speaks for others, and so brings back who left, is found', () => {
  const speaksForOthers = (bytes: Buffer, from: number): Buffer => {
    if (from !== 0) return bytes
    const { sender, message, updates } = decodePacket(bytes)
    const raised = updates.map((update) =>
      update.kind === 'left' || update.kind === 'alive' ? { ...update, incarnation: update.incarnation + 1 } : update,
    )
    return encodePacket(sender, message, () => raised.map(encodeUpdate))
  }
  assert.ok(chaos(7, speaksForOthers).violations.length > 0)
})

test('canary: old words about a node that left, told again as new ones, are found', () => {
  // What the first packets said of node 2 is repeated for ever, one incarnation later.
  const simulation = new Simulation({
    nodes: 5,
    seed: 3,
    warm: true,
    plant: (bytes, from) => {
      const { sender, message, updates } = decodePacket(bytes)
      if (from !== 1 || simulation.nowMs < 20_000) return bytes
      const { id } = simulation.node(2)
      const { incarnation, facts } = simulation.core(2).self
      const word = encodeUpdate({ kind: 'alive', id, incarnation: incarnation + 1, facts })
      return encodePacket(sender, message, () => [...updates.map(encodeUpdate), word])
    },
  })
  simulation.run(3000)
  simulation.leave(2)
  simulation.run(2000)
  simulation.crash(2)
  simulation.run(10_000)
  assert.deepEqual(simulation.violations, [])
  simulation.run(20_000)
  assert.ok(simulation.violations.length > 0)
})
