// A node is gone for good, and a new one takes its place.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { until } from './process-cluster.ts'
import type { ProcessCluster } from './process-cluster.ts'

const SIZES_BYTES = [1_024, 300_000, 3_000_000, 20_000_000]
const FILES = 40
const VOLUME = 'kept'
const SETTLE_MS = 120_000

export interface ReplaceReport {
  readonly chunks: number
  /** From the removal of the lost node to the last copy in its place. */
  readonly backAfterMs: number
}

/** @throws if something isn't back at all of its copies, or was lost */
export async function runReplace(cluster: ProcessCluster, say: (line: string) => void): Promise<ReplaceReport> {
  const contents = await writeFiles(cluster)
  await until('everything has its copies', async () => (await missingCopies(cluster, contents)) === 0, SETTLE_MS)
  const lost = cluster.running.at(-1) as number
  const id = await cluster.idOf(lost)
  await cluster.kill(lost)
  await cluster.ask('the removal of the lost node', (client) => client.cluster.remove(id, { force: true }))
  const beganMs = performance.now()
  const added = await cluster.join()
  say(`node ${lost} is gone for good, and node ${added} has joined`)
  await until('everything has its copies again', async () => (await missingCopies(cluster, contents, id)) === 0, SETTLE_MS)
  const backAfterMs = Math.round(performance.now() - beganMs)
  for (const [path, bytes] of contents) {
    const read = await cluster.ask(`reading ${path}`, (client) => client.readSmallFile(VOLUME, path))
    assert.ok(read.bytes.equals(bytes), `${path} is as it was written`)
  }
  await cluster.healthy()
  const nodes = await cluster.ask('the nodes', (client) => client.cluster.nodes())
  assert.ok(!nodes.some((node) => node.id === id && node.state === 'alive'))
  await assert.rejects(cluster.restart(lost), /4/, 'a node that was removed does not come back')
  return { chunks: await countChunks(cluster, contents), backAfterMs }
}

async function writeFiles(cluster: ProcessCluster): Promise<Map<string, Buffer>> {
  await cluster.client(0).createVolume(VOLUME)
  const contents = new Map<string, Buffer>()
  for (let file = 0; file < FILES; file += 1) {
    const bytes = randomBytes(SIZES_BYTES[file % SIZES_BYTES.length] as number)
    await cluster.client(0).writeSmallFile(VOLUME, `file-${file}`, bytes)
    contents.set(`file-${file}`, bytes)
  }
  return contents
}

type Contents = ReadonlyMap<string, Buffer>

async function chunksOf(cluster: ProcessCluster, path: string) {
  const { extents } = await cluster.ask(`the chunks of ${path}`, (client) => client.locate(VOLUME, path))
  return extents.filter(({ kind }) => kind === 'chunk')
}

/** How many chunks have less than three copies, or one on a node that they must not be on. */
async function missingCopies(cluster: ProcessCluster, contents: Contents, lost?: string): Promise<number> {
  let missing = 0
  for (const path of contents.keys()) {
    const chunks = await chunksOf(cluster, path)
    missing += chunks.filter(
      ({ state, nodes }) => state !== 'stored' || nodes.length < 3 || (lost !== undefined && nodes.includes(lost)),
    ).length
  }
  return missing
}

async function countChunks(cluster: ProcessCluster, contents: Contents): Promise<number> {
  let chunks = 0
  for (const path of contents.keys()) chunks += (await chunksOf(cluster, path)).length
  return chunks
}
