import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PACKET_BYTES_MAX } from './message.ts'
import { Simulation, type SimulationOptions } from './simulation.suite.ts'
import type { Timing } from './timing.ts'

/** SWIM without Lifeguard. */
const PLAIN_SWIM: Partial<Timing> = { slownessMax: 0, suspicionMaxFactor: 1, pauseMs: Number.POSITIVE_INFINITY }

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

/** Crashes a node, and gives when the first suspected it and when the last took it for dead, in milliseconds. */
function crashOnce(options: SimulationOptions): { suspectedMs: number; deadMs: number } {
  const simulation = new Simulation({ warm: true, ...options })
  simulation.run(3000 + simulation.random.below(2000))
  simulation.crash(1)
  const atMs = simulation.nowMs
  simulation.runUntil(() => simulation.isConverged(), 60_000)
  const seen = simulation.observations.filter((observation) => observation.subject === 1 && observation.atMs >= atMs)
  assert.deepEqual([simulation.violations, simulation.falseDeaths()], [[], 0])
  const suspected = seen.find(({ kind }) => kind === 'suspected')
  const died = seen.findLast(({ kind }) => kind === 'died')
  assert.ok(suspected !== undefined && died !== undefined, 'it was not detected')
  return { suspectedMs: suspected.atMs - atMs, deadMs: died.atMs - atMs }
}

test('in clusters of 2 to 10 nodes all know of a crash after about 5 s', () => {
  for (const nodes of [2, 3, 5, 10]) {
    const times = Array.from({ length: 40 }, (_, seed) => crashOnce({ nodes, seed }).deadMs)
    assert.ok(mean(times) < 5500, `${nodes} nodes: ${mean(times)} ms in the mean`)
    assert.ok(mean(times) > 3500, `${nodes} nodes: ${mean(times)} ms in the mean is faster than a suspicion lasts`)
    assert.ok(Math.max(...times) < 10_000, `${nodes} nodes: ${Math.max(...times)} ms at most`)
  }
})

test('the first detection takes as long as SWIM says, whatever the number of nodes', () => {
  // The paper's e/(e - 1) = 1.58 periods count from the beginning of one; a crash falls half a period before, in the mean.
  const expected = Math.E / (Math.E - 1) + 0.5
  for (const nodes of [15, 60]) {
    const simulation = new Simulation({ nodes, seed: nodes, warm: true })
    simulation.run(5000)
    const periods = Array.from({ length: 60 }, (_, round) => {
      simulation.run(simulation.random.below(1000))
      simulation.crash(round % nodes)
      const fromMs = simulation.nowMs
      const isSuspected = () =>
        simulation.observations.some(
          ({ kind, subject, atMs }) => kind === 'suspected' && subject === round % nodes && atMs > fromMs,
        )
      const tookMs = simulation.runUntil(isSuspected, 20_000)
      simulation.observations.length = 0
      simulation.restart(round % nodes)
      simulation.run(3000)
      return tookMs / 1000
    })
    assert.ok(Math.abs(mean(periods) - expected) < 0.4, `${nodes} nodes: ${mean(periods)} periods, expected ${expected}`)
  }
})

test('news reaches everybody in a time that grows with the logarithm of the nodes', () => {
  const spreadMs = (nodes: number) => {
    const simulation = new Simulation({ nodes, seed: nodes, warm: true })
    simulation.runUntil(() => [...simulation.cores()].every(({ pendingNews }) => pendingNews === 0), 60_000)
    const times = [1, 2, 3, 4].map((usedBytes) => {
      simulation.step(usedBytes, { kind: 'facts', changes: { usedBytes } })
      const { id } = simulation.node(usedBytes)
      const knows = (core: ReturnType<Simulation['core']>) => core.member(id)?.facts.usedBytes === usedBytes
      return simulation.runUntil(() => simulation.cores().every(knows), 20_000)
    })
    assert.ok(simulation.packetBytesMax <= PACKET_BYTES_MAX)
    return mean(times)
  }
  const [small, middle, large] = [spreadMs(8), spreadMs(40), spreadMs(200)] as const
  for (const [nodes, ms] of [
    [8, small],
    [40, middle],
    [200, large],
  ] as const)
    assert.ok(ms < 200 * Math.log2(nodes), `${ms} ms among ${nodes} nodes`)
  // Twenty-five times the nodes are log2(25) = 4.6 doublings: it costs about as many rounds, not twenty-five times.
  assert.ok(large < small + 200 * Math.log2(25), `${large} ms among 200 nodes, ${small} ms among 8`)
})

for (const { loss, nodes } of [
  { loss: 0.05, nodes: 30 },
  { loss: 0.2, nodes: 30 },
  { loss: 0.2, nodes: 3 },
  { loss: 0.3, nodes: 10 },
]) {
  test(`nobody is taken for dead in thousands of probes at ${loss * 100} % loss among ${nodes} nodes`, () => {
    const simulation = new Simulation({ nodes, seed: 3, warm: true, loss, duplicates: 0.05, delayMsMax: 50, drift: 0.02 })
    simulation.run(600_000 / Math.max(1, nodes / 10))
    assert.equal(simulation.falseDeaths(), 0)
    assert.ok(simulation.observations.some(({ kind }) => kind === 'cleared') || nodes === 3, 'the loss was not felt')
    assert.deepEqual(simulation.violations, [])
  })
}

test('slow nodes take well ones for dead a twentieth as often as without Lifeguard', () => {
  const falseDeathsOfHealthy = (timing: Partial<Timing>) => {
    let deaths = 0
    for (const lagMs of [5000, 8000]) {
      const simulation = new Simulation({ nodes: 24, seed: 7, warm: true, timing })
      simulation.run(2000)
      for (const slow of [0, 1, 2, 3]) simulation.node(slow).lagMs = lagMs
      simulation.run(60_000)
      deaths += simulation.observations.filter(({ kind, subject }) => kind === 'died' && subject > 3).length
      assert.deepEqual(simulation.violations, [])
    }
    return deaths
  }
  const [plain, lifeguard] = [falseDeathsOfHealthy(PLAIN_SWIM), falseDeathsOfHealthy({})]
  assert.ok(plain >= 100, `plain SWIM was wrong ${plain} times only: the nodes are not slow enough to tell`)
  assert.ok(lifeguard <= plain / 20, `${lifeguard} with Lifeguard, ${plain} without`)
})

test('a node that stands still for two seconds and goes on takes nobody for dead, and nobody it', () => {
  const simulation = new Simulation({ nodes: 8, seed: 5, warm: true })
  for (let round = 0; round < 20; round += 1) {
    simulation.run(3000)
    simulation.pause(round % 8, 2000)
  }
  simulation.run(10_000)
  assert.equal(simulation.falseDeaths(), 0)
  assert.ok(simulation.core(0).counts.pauses > 0)
})

test('clocks that run five percent apart change nothing', () => {
  const times = Array.from({ length: 20 }, (_, seed) => crashOnce({ nodes: 8, seed, drift: 0.05 }).deadMs)
  assert.ok(mean(times) < 5800, `${mean(times)} ms`)
})

test('500 nodes agree on who runs after five crash, with bounded packets and memory', () => {
  const simulation = new Simulation({ nodes: 500, seed: 11, warm: true, loss: 0.02, delayMsMax: 20 })
  simulation.run(2000)
  for (const index of [10, 20, 30, 40, 50]) simulation.crash(index)
  const tookMs = simulation.runUntil(() => simulation.nowMs % 500 === 0 && simulation.isConverged(), 30_000)
  assert.ok(tookMs < 30_000, 'they do not agree')
  assert.deepEqual([simulation.falseDeaths(), simulation.violations], [0, []])
  assert.ok(simulation.packetBytesMax <= PACKET_BYTES_MAX)
  assert.ok(simulation.queueMax <= 1000)
})
