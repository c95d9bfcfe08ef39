// Kills and old disks while removals are being forgotten: nodes whose collections run all the time (`isBusy` of `test/support/faulty-node.ts`), so that
// most kills come in the middle of one, or of the rumours and comparisons that lead to it.

import assert from 'node:assert/strict'
import { cp, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type EventualNodes, until } from '../support/eventual-nodes.ts'
import type { Say, Writers } from './eventual-scenarios.ts'

const AGREE_MS = 60_000
/** So many files are written, and most of them removed, between two kills. */
const FILES = 12

/** Files are written, removed and forgotten, while one node after another is killed at any moment. */
export async function runCollectionKills(
  cluster: EventualNodes,
  writers: Writers,
  { kills, say }: { readonly kills: number; readonly say: Say },
): Promise<void> {
  const all = [...cluster.nodes.keys()]
  let forgotten = 0
  for (let kill = 0; kill < kills; kill += 1) {
    const victim = writers.pick(all.length)
    const others = all.filter((at) => at !== victim)
    const written = await Promise.all(Array.from({ length: FILES }, () => writers.write(others)))
    // Those who hear of it forget the removals of the round before meanwhile.
    for (const path of written.slice(0, FILES - 2)) await writers.remove(others, path)
    await delay(writers.pick(400))
    await cluster.nodes[victim]?.kill()
    forgotten = Math.max(forgotten, ...(await Promise.all(others.map((at) => removalsOf(cluster, at)))))
    await cluster.start(victim)
    if (kill % 3 === 2) await forgetAll(cluster)
  }
  await cluster.agree(AGREE_MS)
  await forgetAll(cluster)
  await writers.check()
  assert.ok(forgotten > 0, 'removals were waiting for the killed node')
  say(`${kills} kills while removals were forgotten: nothing is lost or back, and none is remembered`)
}

/** A node comes back with a disk of before removals that nobody remembers any more. */
export async function runOldDisk(cluster: EventualNodes, writers: Writers, say: Say): Promise<void> {
  const all = [...cluster.nodes.keys()]
  const old = all.length - 1
  const others = all.slice(0, -1)
  const written = await Promise.all(Array.from({ length: FILES }, () => writers.write(others)))
  await cluster.agree(AGREE_MS)
  await cluster.nodes[old]?.kill()
  const copy = `${cluster.dataOf(old)}-of-long-ago`
  await cp(cluster.dataOf(old), copy, { recursive: true })
  await cluster.start(old)
  for (const path of written.slice(0, FILES - 2)) await writers.remove(others, path)
  await cluster.agree(AGREE_MS)
  await forgetAll(cluster)
  await cluster.nodes[old]?.kill()
  await rm(cluster.dataOf(old), { recursive: true })
  await cp(copy, cluster.dataOf(old), { recursive: true })
  await cluster.start(old)
  await cluster.agree(AGREE_MS)
  await writers.check()
  for (const at of all)
    for (const path of written.slice(0, FILES - 2))
      assert.equal(await cluster.text(at, path), undefined, `node ${at} has ${path}, which was removed`)
  say(`a node that came back with the disk of before ${FILES - 2} removals, after all had forgotten them, raised nothing`)
}

async function forgetAll(cluster: EventualNodes): Promise<void> {
  await until(
    'all removals are forgotten',
    async () => Math.max(...(await Promise.all(cluster.nodes.map((_, at) => removalsOf(cluster, at))))) === 0,
    AGREE_MS,
  )
}

async function removalsOf(cluster: EventualNodes, at: number): Promise<number> {
  return ((await (await cluster.call(at, '/status')).json()) as { eventual: { removals: number } }).eventual.removals
}
