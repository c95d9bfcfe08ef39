import assert from 'node:assert/strict'
import { open, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { idOf, rejectsWith, sampleBytes } from '#chunk/store.suite.ts'
import { MIB, checkCopies, cutFile, openSixStores, writeChunks } from './six-stores.suite.ts'
import type { WrittenChunk } from './six-stores.suite.ts'
import type { WireCluster, WireNode } from './wire-cluster.suite.ts'

const KIB = 1024
/** Every size of file and every size of chunk; the whole table of both is `test/cluster/six-stores.soak.ts`. */
const FILES: readonly [fileBytes: number, chunkBytes: number][] = [
  [KIB, MIB],
  [100 * KIB, 4 * MIB],
  [MIB, 8 * MIB],
  [MIB + 1, MIB],
  [10 * MIB, 4 * MIB],
  [33 * MIB, 32 * MIB],
  [100 * MIB, 64 * MIB],
]

async function opened(context: TestContext, ack: 'all' | 'quorum'): Promise<WireCluster> {
  const cluster = await openSixStores(ack)
  context.after(() => cluster.cleanUp())
  return cluster
}

test('every copy of every chunk of files from 1 KiB to 100 MiB is at its holder, byte for byte', async (context) => {
  const cluster = await opened(context, 'all')
  for (const [at, [fileBytes, chunkBytes]] of FILES.entries()) {
    const chunks = cutFile({ fileBytes, chunkBytes, seed: at })
    await writeChunks(cluster, chunks)
    assert.equal(await checkCopies(cluster, chunks), 3 * Math.ceil(fileBytes / chunkBytes))
  }
  assert.equal(cluster.repairs.size, 0)
})

/** The store that most of the chunks have for their primary, so that its death hits what is under way. */
function busiest(cluster: WireCluster, chunks: readonly WrittenChunk[]): WireNode {
  const count = (node: WireNode): number => chunks.filter(({ id }) => cluster.pair.writers(id)[0] === node.id).length
  return cluster.nodes.toSorted((a, b) => count(b) - count(a))[0] as WireNode
}

test('a store that dies in the middle of writes loses nothing that was acknowledged, and fails no write', async (context) => {
  const cluster = await opened(context, 'quorum')
  const chunks = Array.from({ length: 40 }, (_, at) => {
    const bytes = sampleBytes(MIB / 2 + at, at)
    return { id: idOf(bytes), bytes }
  })
  const victim = busiest(cluster, chunks)
  let acknowledged = 0
  const waiting = [...chunks]
  const writer = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await cluster.store.write(next.id, next.bytes)
      acknowledged += 1
      if (acknowledged === 10) await cluster.kill(victim)
    }
  }
  await Promise.all(Array.from({ length: 8 }, writer))
  assert.equal(acknowledged, chunks.length)
  assert.ok(cluster.repairs.size > 0, 'the copies that the victim lacks are known')
  const survivors = cluster.nodes.filter((node) => node !== victim)
  await cluster.store.close()
  for (const { id, bytes } of chunks) {
    const copies = await Promise.all(survivors.map(async ({ store }) => ((await store.verify(id)) === 'intact' ? [store] : [])))
    assert.ok(copies.flat().length >= 2, `chunk ${id} has ${copies.flat().length} copies`)
    assert.ok((await copies.flat()[0]?.read(id))?.equals(bytes))
  }
})

test('a store that dies in the middle of reads fails none of them', async (context) => {
  const cluster = await opened(context, 'all')
  const chunks = cutFile({ fileBytes: 16 * MIB, chunkBytes: MIB, seed: 90 })
  await writeChunks(cluster, chunks)
  const victim = busiest(cluster, chunks)
  let reads = 0
  const reader = async (first: number): Promise<void> => {
    for (let at = 0; at < chunks.length; at += 1) {
      const { id, bytes } = chunks[(at + first) % chunks.length] as WrittenChunk
      assert.ok((await cluster.store.read(id)).equals(bytes))
      reads += 1
      if (reads === 20) await cluster.kill(victim)
    }
  }
  await Promise.all(Array.from({ length: 6 }, (_, at) => reader(at * 3)))
  assert.equal(reads, 6 * chunks.length)
})

/** Flips one bit in the middle of a chunk's copy, wherever it is on the node's disk. */
async function flipBit(node: WireNode, { id, bytes }: WrittenChunk): Promise<void> {
  const packs = join(node.folder, 'packs')
  const packed = (await readdir(packs)).map((name) => join(packs, name))
  for (const path of [join(node.folder, 'chunks', id.slice(0, 2), id.slice(2, 4), id), ...packed]) {
    const at = (await readFile(path).catch(() => Buffer.alloc(0))).indexOf(bytes)
    if (at === -1) continue
    const position = at + Math.floor(bytes.length / 2)
    const file = await open(path, 'r+')
    await file.write(Buffer.of((bytes[position - at] ?? 0) ^ 4), 0, 1, position)
    await file.close()
    return
  }
  throw new Error(`chunk ${id} is not on the disk of node ${node.id}`)
}

test('a flipped bit in one copy on a disk is noticed, served from another copy, and repaired', async (context) => {
  const cluster = await opened(context, 'all')
  for (const size of [1_000, 100_000, 5 * MIB]) {
    const bytes = sampleBytes(size, 70)
    const chunk = { id: idOf(bytes), bytes }
    await cluster.store.write(chunk.id, bytes)
    const first = cluster.node(cluster.pair.writers(chunk.id)[0])
    await flipBit(first, chunk)
    await rejectsWith('CORRUPT', first.store.read(chunk.id))

    // Which copy is read first depends on what earlier reads took; many at once go to all.
    for (let round = 0; cluster.repairs.size === 0; round += 1) {
      assert.ok(round < 20, 'nobody has read the damaged copy')
      const copies = await Promise.all(Array.from({ length: 12 }, () => cluster.store.read(chunk.id)))
      assert.ok(copies.every((copy) => copy.equals(bytes)))
    }
    const request = cluster.repairs.take()
    assert.equal(request?.chunk, chunk.id)
    assert.deepEqual(await cluster.repairer.repair(chunk.id), [first.id])
    assert.ok((await first.store.read(chunk.id)).equals(bytes))
    assert.equal(await first.store.verify(chunk.id), 'intact')
  }
})
