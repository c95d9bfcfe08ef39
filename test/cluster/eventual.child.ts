// Everything that may happen to the nodes of eventual volumes, one after another: `npm run cluster -- eventual --nodes 7`, which runs this as root
// in a network namespace of its own. Arguments: number of nodes, seconds of writes on each side of a partition, scenarios (all unless named).

import assert from 'node:assert/strict'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualNodes } from '../support/eventual-nodes.ts'
import type { EventualNodesOptions } from '../support/eventual-nodes.ts'
import { AUTHORIZATION } from '../support/node-process.ts'
import { runCollectionKills, runOldDisk } from './eventual-collection.ts'
import { makeVolume, runClocks, runKills, runPartition, runWipe, runWrites, Writers } from './eventual-scenarios.ts'
import { SplitNetwork } from './network.ts'
import { ProcessCluster, until } from './process-cluster.ts'

const NODES = Number(process.argv[2] ?? 7)
const PARTITION_MS = Number(process.argv[3] ?? 10) * 1_000
const chosen = process.argv.slice(4)
const all = Array.from({ length: NODES }, (_, at) => at)
const say = (line: string): void => console.log(`  ${line}`)

async function onNodes(
  options: EventualNodesOptions,
  run: (cluster: EventualNodes, network: SplitNetwork) => Promise<void>,
): Promise<void> {
  const network = await SplitNetwork.make({ nodes: NODES, switches: NODES })
  try {
    const cluster = await EventualNodes.found({ placeOf: (at) => network.placeOf(at), ...options })
    try {
      await cluster.grow(NODES - 1)
      await makeVolume(cluster)
      await run(cluster, network)
    } catch (error) {
      for (const [at, node] of cluster.nodes.entries())
        console.error(`the end of the log of node ${at}:\n${node.log().slice(-2_000)}`)
      throw error
    } finally {
      await cluster.stop()
    }
  } finally {
    await network.remove()
  }
}

function loss(share: number): () => Promise<void> {
  return () =>
    onNodes({ faultsOf: () => ({ loss: share }) }, (cluster) =>
      runWrites(cluster, new Writers(cluster, new SeededRandom(1)), { count: 400, say }),
    )
}

const GROUPS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'two-and-the-rest': [all.slice(0, 2), all.slice(2)],
  'one-and-the-rest': [all.slice(-1), all.slice(0, -1)],
  'each-alone': all.map((at) => [at]),
}

/** One after another on the same nodes. */
function partitions(...names: readonly string[]): () => Promise<void> {
  return () =>
    onNodes({}, async (cluster, network) => {
      for (const name of names)
        await runPartition(cluster, network, { name, groups: GROUPS[name] ?? [], forMs: PARTITION_MS, say })
    })
}

/** Kills among collections that run all the time, and a disk of before them. */
async function collection(): Promise<void> {
  await onNodes({ faultsOf: () => ({ isBusy: true }) }, async (cluster) => {
    const writers = new Writers(cluster, new SeededRandom(3))
    await runCollectionKills(cluster, writers, { kills: Math.ceil(PARTITION_MS / 500), say })
    await runOldDisk(cluster, writers, say)
  })
}

async function kills(): Promise<void> {
  await onNodes({}, async (cluster) => {
    const writers = new Writers(cluster, new SeededRandom(2))
    // Removals are forgotten a minute after everybody has heard of them, and on.
    await runKills(cluster, writers, { forMs: 9 * PARTITION_MS, say })
    await runWipe(cluster, writers, say)
  })
}

async function clocks(): Promise<void> {
  const aheadMs = (at: number) => ((at % 3) - 1) * 3_600_000
  await onNodes({ faultsOf: (at) => ({ clockAheadMs: at === 0 ? 0 : aheadMs(at) }) }, (cluster) => runClocks(cluster, say))
}

/** Strong and eventual volumes on one cluster, none of whose parts has a majority. */
async function beside(): Promise<void> {
  const network = await SplitNetwork.make({ nodes: 5, switches: 3 })
  try {
    const cluster = await ProcessCluster.start({ nodes: 5, mode: 'cluster', placeOf: (at) => network.placeOf(at) })
    try {
      await cluster.client(0).createVolume('strong')
      await cluster.client(0).createVolume('eventual', { consistency: 'eventual' })
      // What a node hasn't heard of it sends on to the one that leads, and could not when that is cut off.
      for (const at of cluster.running) await until(`node ${at} knows the volume itself`, () => knowsVolume(cluster, at), 30_000)
      await network.split([[0, 1], [2, 3], [4]])
      await delay(5_000)
      for (const at of cluster.running) {
        const eventual = await put(cluster, { at, volume: 'eventual', name: `of-${at}` })
        assert.ok(eventual.ok, `node ${at} takes writes of the eventual volume: ${eventual.status} ${await eventual.text()}`)
        await until(
          `node ${at} refuses those of the strong one`,
          async () => {
            const strong = await put(cluster, { at, volume: 'strong', name: `of-${at}` })
            assert.ok(!strong.ok, `node ${at}, without a majority, took a write of the strong volume`)
            assert.ok(strong.headers.has('retry-after'), `node ${at} says when to come again`)
            return strong.status === 503
          },
          30_000,
        )
      }
      say(
        'without a majority anywhere all five nodes refuse writes of the strong volume with 503, and take those of the eventual one',
      )
      await network.heal()
      for (const at of cluster.running)
        for (const writer of cluster.running)
          await until(
            `node ${at} has what node ${writer} wrote alone`,
            async () => {
              const answer = await fetch(urlOf(cluster, { at, volume: 'eventual', name: `of-${writer}` }), {
                headers: { authorization: AUTHORIZATION },
              })
              return answer.status === 200 && (await answer.text()) === `written at ${writer}`
            },
            60_000,
          )
      say('healed, and every node has what each wrote alone')
    } finally {
      await cluster.dispose()
    }
  } finally {
    await network.remove()
  }
}

async function knowsVolume(cluster: ProcessCluster, at: number): Promise<boolean> {
  const answer = await fetch(`${cluster.restOf(at)}/api/v1/status`, { headers: { authorization: AUTHORIZATION } })
  return ((await answer.json()) as { eventual?: { volumes: number } }).eventual?.volumes === 1
}

interface Place {
  readonly at: number
  readonly volume: string
  readonly name: string
}

const urlOf = (cluster: ProcessCluster, { at, volume, name }: Place): string =>
  `${cluster.restOf(at)}/api/v1/volumes/${volume}/files/${name}`

async function put(cluster: ProcessCluster, place: Place): Promise<Response> {
  const answer = await fetch(urlOf(cluster, place), {
    method: 'PUT',
    headers: { authorization: AUTHORIZATION },
    body: `written at ${place.at}`,
  })
  return answer
}

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  'loss-5': loss(0.05),
  'loss-20': loss(0.2),
  'loss-40': loss(0.4),
  partitions: partitions(...Object.keys(GROUPS)),
  kills,
  collection,
  clocks,
  beside,
}

for (const name of chosen.length === 0 ? Object.keys(SCENARIOS) : chosen) {
  console.log(name)
  // One of the partitions can be named, too.
  const run = SCENARIOS[name] ?? (name in GROUPS ? partitions(name) : undefined)
  assert.ok(run !== undefined, `Scenarios: ${Object.keys(SCENARIOS).join(', ')}`)
  const beganMs = performance.now()
  await run()
  console.log(`${name} held, in ${Math.round((performance.now() - beganMs) / 1000)} s`)
}
