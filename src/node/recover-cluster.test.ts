import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { ErrorCode } from '#foundation/errors.ts'
import { isShoalError } from '#foundation/errors.ts'
import { nameOfKey } from '#kv/key-name.ts'
import { openLmdbBase } from '#kv/lmdb.ts'
import { encodeReplicaRow, REPLICA_ROW_KEY } from '#kv/replica-row.ts'
import { WriteSet } from '#kv/write-set.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { publishMetadataMode } from './metadata-mode.ts'
import type { MetadataMode } from './metadata-mode.ts'
import { recoverCluster } from './recover-cluster.ts'
import type { RecoverOptions } from './recover-cluster.ts'

const MANAGED: MetadataMode = { kind: 'managed', endpoints: ['https://10.0.0.1:7404'], isFounder: false }
const ALL_WAYS = ['look', 'lead', 'follow'] as const

let path: string

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'shoal-recover-')), 'data')
})

afterEach(() => rm(join(path, '..'), { recursive: true, force: true }))

const open = (): Promise<DataFolder> => openDataFolder(path, { files: nodeFiles, random: nodeRandom, version: 'test' })

const recover = (how: RecoverOptions['how']) => recoverCluster({ dataPath: path, how, version: 'test' })

/** A folder of a stopped node. */
async function make(mode: MetadataMode, { isInstalling }: { readonly isInstalling?: boolean } = {}): Promise<void> {
  await (await open()).close()
  await publishMetadataMode(nodeFiles, path, mode)
  if (isInstalling === undefined) return
  const base = await openLmdbBase(join(path, 'meta'))
  const writes = new WriteSet()
  const stateId = Buffer.alloc(16, 7)
  const value = encodeReplicaRow({ stateId, applied: 42, isInstalling })
  const rows = [
    { key: Buffer.from('a'), value: Buffer.from('b') },
    { key: REPLICA_ROW_KEY, value },
  ]
  for (const row of rows) writes.set(nameOfKey(row.key), row)
  await base.commit(writes)
  await base.close()
}

/** How the folder says that it is used, and what lies in it, but for what a look into it leaves. */
async function state(): Promise<unknown> {
  const names = (await readdir(path)).filter((name) => name !== 'lock' && name !== 'meta')
  return [await readFile(join(path, 'metadata-mode.json'), 'utf8'), names.toSorted()]
}

async function assertRefused(how: RecoverOptions['how'], code: ErrorCode, says: RegExp): Promise<void> {
  await assert.rejects(recover(how), (error: Error) => {
    assert.match(error.message, says)
    return isShoalError(error, code)
  })
}

test('where there is no data folder nothing is recovered, and none is made', async () => {
  for (const how of ALL_WAYS) await assertRefused(how, 'NOT_FOUND', /no data folder/)
  await assert.rejects(readdir(path), { code: 'ENOENT' })
})

test('a node that runs is left alone', async () => {
  await make(MANAGED, { isInstalling: false })
  const folder = await open()
  const before = await state()
  for (const how of ALL_WAYS) await assertRefused(how, 'DATA_IN_USE', /./)
  assert.deepEqual(await state(), before)
  await folder.close()
})

test('metadata that one node has alone, or that an etcd of somebody else agrees on, is not touched', async () => {
  for (const kind of ['home', 'external'] as const) {
    await make({ kind }, { isInstalling: false })
    const before = await state()
    for (const how of ALL_WAYS) await assertRefused(how, 'UNSUPPORTED', /nothing to be recovered/)
    assert.deepEqual(await state(), before)
  }
})

test('a copy that is not whole does not become the metadata of the cluster, and can be replaced by that of another node', async () => {
  await make(MANAGED, { isInstalling: true })
  const before = await state()
  for (const how of ['look', 'lead'] as const) await assertRefused(how, 'CONFLICT', /no whole copy/)
  assert.deepEqual(await state(), before)
  const { log, entry, aside } = await recover('follow')
  assert.deepEqual([log, entry], ['none', 0])
  assert.match(aside.join(), /^meta-before-/)
})

test('each step can be repeated', async () => {
  await make(MANAGED, { isInstalling: false })
  assert.deepEqual([(await recover('look')).entry, (await recover('look')).entry], [42, 42])
  await mkdir(join(path, 'etcd'))
  await writeFile(join(path, 'etcd', 'kept'), 'x')
  assert.match((await recover('lead')).aside.join(), /^etcd-before-[^,]*$/)
  assert.deepEqual((await recover('lead')).aside, [])
  const founding = await state()
  assert.match(String(founding), /"isFounder": true/)
  await rm(path, { recursive: true })
  await make(MANAGED, { isInstalling: false })
  assert.equal((await recover('follow')).entry, 42)
  // As when it was cut off after that.
  const again = await recover('follow')
  assert.deepEqual([again.entry, again.aside], [0, []])
  assert.match(String(await state()), /"isFounder": false/)
})
