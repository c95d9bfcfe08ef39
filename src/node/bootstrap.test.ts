import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openKeySeal } from '#access/key-seal.ts'
import { loadRootCredentials } from '#access/root-credentials.ts'
import type { NodeId } from '#foundation/ids.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { openContentKeys } from '#volume/content-cipher.ts'
import { keepBootstrap, readBootstrap } from './bootstrap.ts'
import { readKnownNodes } from './known-nodes.ts'

const HOME = 'aa'.repeat(16) as NodeId
const GONE = 'bb'.repeat(16) as NodeId
const CLUSTER = { clusterId: 'c'.repeat(32), nodes: [{ id: HOME, host: '10.0.0.1', port: 7402 }] }

async function runningNode(seed: number) {
  const ports = { files: new MemoryFiles(), random: new SeededRandom(seed) }
  await ports.files.makeFolder('/data')
  return {
    files: ports.files,
    credentials: await loadRootCredentials('/data', ports),
    seal: await openKeySeal('/data', ports),
    contentKeys: await openContentKeys('/data', ports),
  }
}

test('a node that joins opens what the cluster has sealed, with the root key of the cluster', async () => {
  const [home, joining] = [await runningNode(1), await runningNode(2)]
  const bytes = await readBootstrap('/data', { home: HOME, removed: [GONE] }, { files: home.files, configured: undefined })
  await keepBootstrap('/data', bytes, { ...CLUSTER, files: joining.files })
  joining.files.crash()
  const ports = { files: joining.files, random: new SeededRandom(3) }
  const { accessKey, secretKey, origin } = await loadRootCredentials('/data', ports)
  assert.deepEqual([accessKey, secretKey, origin], [home.credentials.accessKey, home.credentials.secretKey, 'kept'])
  assert.equal((await openKeySeal('/data', ports)).open('KEY', home.seal.seal('KEY', 'secret')), 'secret')
  const { key, encryption } = home.contentKeys.make()
  assert.deepEqual((await openContentKeys('/data', ports)).open(encryption)?.key, key.key)
  assert.deepEqual(await readKnownNodes('/data', joining.files), { ...CLUSTER, home: HOME, removed: [GONE] })
})

test('a root key that the home was started with is the one that is handed out', async () => {
  const [home, joining] = [await runningNode(1), await runningNode(2)]
  const configured = { accessKey: 'configured', secretKey: 'from-the-environment' }
  const bytes = await readBootstrap('/data', { home: HOME, removed: [] }, { files: home.files, configured })
  await keepBootstrap('/data', bytes, { ...CLUSTER, files: joining.files })
  const kept = await loadRootCredentials('/data', { files: joining.files, random: new SeededRandom(3) })
  assert.deepEqual([kept.accessKey, kept.secretKey], ['configured', 'from-the-environment'])
})

test('what makes no sense changes nothing', async () => {
  const joining = await runningNode(2)
  const good = JSON.parse(
    String(await readBootstrap('/data', { home: HOME, removed: [] }, { files: joining.files, configured: undefined })),
  ) as Record<string, unknown>
  for (const change of [{ format: 2 }, { keySeal: 'short' }, { contentKey: undefined }, { home: 7 }, { removed: undefined }]) {
    const bytes = Buffer.from(JSON.stringify({ ...good, ...change }))
    const kept = keepBootstrap('/data', bytes, { ...CLUSTER, files: joining.files })
    await assert.rejects(kept, { code: 'UNSUPPORTED' }, JSON.stringify(change))
  }
  const ports = { files: joining.files, random: new SeededRandom(3) }
  assert.equal((await loadRootCredentials('/data', ports)).accessKey, joining.credentials.accessKey)
})
