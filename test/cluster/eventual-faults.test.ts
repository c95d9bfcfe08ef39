// The short form of `npm run cluster -- eventual`: nodes that lose messages, and whose clocks are hours apart.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualNodes } from '../support/eventual-nodes.ts'
import type { EventualNodesOptions } from '../support/eventual-nodes.ts'
import { runCollectionKills, runOldDisk } from './eventual-collection.ts'
import { makeVolume, runClocks, runWrites, Writers } from './eventual-scenarios.ts'

const quietly = (): void => {}

async function onNodes(
  count: number,
  options: EventualNodesOptions,
  run: (cluster: EventualNodes) => Promise<void>,
): Promise<void> {
  const cluster = await EventualNodes.found(options)
  try {
    await cluster.grow(count - 1)
    await makeVolume(cluster)
    await run(cluster)
  } finally {
    await cluster.stop()
  }
}

test('nodes that lose a fifth of their datagrams, messages and answers have the same names and contents once it is quiet', async () => {
  await onNodes(3, { faultsOf: () => ({ loss: 0.2 }) }, (cluster) =>
    runWrites(cluster, new Writers(cluster, new SeededRandom(7)), { count: 60, say: quietly }),
  )
})

test('nodes whose clocks are an hour ahead, an hour behind and right agree, and none hides what another has written over it', async () => {
  const hours = [0, 1, -1] as const
  await onNodes(3, { faultsOf: (at) => ({ clockAheadMs: (hours[at] as number) * 3_600_000 }) }, async (cluster) => {
    await runClocks(cluster, quietly)
    assert.equal(cluster.nodes.length, 3)
  })
})

test('nodes that are killed while they forget removals lose nothing and raise nothing; nor does one that comes back with a disk of before', async () => {
  await onNodes(3, { faultsOf: () => ({ isBusy: true }) }, async (cluster) => {
    const writers = new Writers(cluster, new SeededRandom(11))
    await runCollectionKills(cluster, writers, { kills: 4, say: quietly })
    await runOldDisk(cluster, writers, quietly)
  })
})
