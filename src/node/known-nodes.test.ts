import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { KnownNodes, publishKnownNodes, readKnownNodes } from './known-nodes.ts'

const idOf = (index: number) => index.toString(16).padStart(32, '0') as NodeId
const FOLDER = { path: '/data', clusterId: 'c'.repeat(32), nodeId: idOf(1) }
const at = (index: number, host = `10.0.0.${index}`) => ({ id: idOf(index), host, port: 7402 })

test('a folder without nodes is that of the founder, and what it hears is there after a crash', async () => {
  const files = new MemoryFiles()
  const known = await KnownNodes.open(FOLDER, files)
  assert.deepEqual([known.home, known.nodes, known.removed.size], [idOf(1), [], 0])
  await Promise.all([known.put(at(3)), known.put(at(2)), known.put(at(3, 'moved')), known.remove(idOf(4))])
  files.crash()
  const again = await KnownNodes.open(FOLDER, files)
  assert.deepEqual(again.nodes, [at(2), at(3, 'moved')])
  assert.deepEqual([...again.removed], [idOf(4)])
  await again.forget(idOf(3))
  assert.deepEqual((await KnownNodes.open(FOLDER, files)).nodes, [at(2)])
})

test('a removed node is not remembered, and never again', async () => {
  const known = await KnownNodes.open(FOLDER, new MemoryFiles())
  await known.put(at(2))
  await known.remove(idOf(2))
  await known.remove(idOf(2))
  await known.put(at(2))
  assert.deepEqual([known.nodes, [...known.removed], known.find(idOf(2))], [[], [idOf(2)], undefined])
})

test('what is known already is not written again', async () => {
  const files = new MemoryFiles()
  const known = await KnownNodes.open(FOLDER, files)
  await known.put(at(2))
  files.cutPowerAfter(0)
  await known.put(at(2))
  await known.forget(idOf(9))
  assert.ok(!files.powerIsCut)
})

test('more than a thousand nodes are not kept', async () => {
  const files = new MemoryFiles()
  const nodes = Array.from({ length: 1_000 }, (_, index) => at(index + 2))
  await publishKnownNodes('/data', { clusterId: FOLDER.clusterId, home: idOf(1), nodes, removed: [] }, files)
  const known = await KnownNodes.open(FOLDER, files)
  await known.put(at(5_000))
  assert.deepEqual([known.nodes.length, known.find(idOf(5_000))], [1_000, undefined])
  await known.put(at(2, 'moved'))
  assert.equal(known.find(idOf(2))?.host, 'moved')
})

test('what another cluster has left counts for nothing, and a damaged file stops the start', async () => {
  const files = new MemoryFiles()
  const other = { clusterId: 'd'.repeat(32), home: idOf(7), nodes: [at(8)], removed: [] }
  await publishKnownNodes('/data', other, files)
  const known = await KnownNodes.open(FOLDER, files)
  assert.deepEqual([known.home, known.nodes], [idOf(1), []])
  for (const text of ['', '{}', '{"format":1,"clusterId":"x"}', JSON.stringify({ format: 1, ...other, removed: ['x'] })]) {
    await files.publish('/data/cluster/nodes.json', [Buffer.from(text)])
    await assert.rejects(readKnownNodes('/data', files), { code: 'DATA_FORMAT' }, text)
  }
})
