// Bits flip on disks under chunks: what is read is exact all the same, and each copy is repaired, by the next read of it or by the scrub.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from './process-cluster.ts'
import type { ProcessCluster } from './process-cluster.ts'

const FILE_BYTES = 600_000
const FILES = 12
const VOLUME = 'flipped'
const SETTLE_MS = 60_000
const SCRUB_MS = 180_000

export interface BitFlipReport {
  readonly repairedByReads: number
  readonly repairedByScrub: number
}

interface Flipped {
  readonly path: string
  readonly before: Buffer
}

/** @throws if a flipped bit is read, or stays */
export async function runBitFlips(cluster: ProcessCluster, say: (line: string) => void): Promise<BitFlipReport> {
  await cluster.client(0).createVolume(VOLUME)
  const contents = new Map<string, Buffer>()
  for (let file = 0; file < FILES; file += 1) {
    const bytes = randomBytes(FILE_BYTES)
    await cluster.client(0).writeSmallFile(VOLUME, `file-${file}`, bytes)
    contents.set(`file-${file}`, bytes)
  }
  const leader = await cluster.leader()
  // Where files are read, the copy on the same node comes first.
  const byReads = await flipOn(cluster, leader, [...contents.keys()].slice(0, FILES / 2))
  await readAll(cluster, contents)
  await until('what was read is repaired', () => areRepaired(byReads), SETTLE_MS)
  say(`${byReads.length} copies with a flipped bit were repaired after they were read`)
  const other = cluster.running.find((at) => at !== leader) as number
  const byScrub = await flipOn(cluster, other, [...contents.keys()].slice(FILES / 2))
  await cluster.client(0).tracker.run('scrub')
  await until('what nobody read is repaired', () => areRepaired(byScrub), SCRUB_MS)
  say(`${byScrub.length} copies with a flipped bit were repaired by the scrub`)
  await readAll(cluster, contents)
  return { repairedByReads: byReads.length, repairedByScrub: byScrub.length }
}

/** Flips one bit of a chunk of each of these files, on the disk of one node, where that node has it in a file of its own. */
async function flipOn(cluster: ProcessCluster, at: number, paths: readonly string[]): Promise<Flipped[]> {
  const id = await cluster.idOf(at)
  const flipped: Flipped[] = []
  for (const file of paths) {
    const find = async () => (await cluster.client(0).locate(VOLUME, file)).extents[0]
    await until(`${file} has its copies`, async () => (await find())?.state === 'stored', SETTLE_MS)
    const extent = await find()
    if (extent?.chunk === undefined || !extent.nodes.includes(id)) continue
    const { chunk } = extent
    const path = join(cluster.dataOf(at), 'chunks', 'chunks', chunk.slice(0, 2), chunk.slice(2, 4), chunk)
    const before = await readFile(path)
    const place = Math.floor(Math.random() * FILE_BYTES)
    const handle = await open(path, 'r+')
    await handle.write(Buffer.from([(before[place] as number) ^ (1 << Math.floor(Math.random() * 8))]), 0, 1, place)
    await handle.close()
    flipped.push({ path, before })
  }
  assert.ok(flipped.length > 0, `node ${at} has some of the chunks`)
  return flipped
}

async function areRepaired(flipped: readonly Flipped[]): Promise<boolean> {
  const now = await Promise.all(flipped.map(({ path }) => readFile(path)))
  return now.every((bytes, at) => bytes.equals((flipped[at] as Flipped).before))
}

async function readAll(cluster: ProcessCluster, contents: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const at of cluster.running) {
    for (const [path, bytes] of contents) {
      const read = await cluster.client(at).readSmallFile(VOLUME, path)
      assert.ok(read.bytes.equals(bytes), `${path} is as it was written`)
    }
  }
}
