import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { StatusDocument } from '#gateway/rest/schemas.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueReader } from '#kv/store.ts'
import { caller, ManualClock, openFixture } from '#volume/volume-fixture.suite.ts'
import { describeNode } from './node-status.ts'

const NODE = { version: '1.0.0', nodeId: 'one', clusterId: 'cluster', startedNs: 0n }
const METADATA: StatusDocument['metadata'] = { mode: 'managed', position: 7, members: [] }
const NOW = { state: 'serving' as const, uptimeMs: 1_000, metadata: METADATA, eventual: undefined, clocks: [] }

test('while nobody can say what is the newest a node tells what it has seen, and that it is no more than that', async () => {
  const clock = new ManualClock()
  const kv = openMemoryStore()
  const { volumes } = await openFixture({ kv, clock, chunks: openMemoryChunkStore({ clock }) })
  await volumes.create('other', {}, caller)
  const upToDate = await describeNode(NODE, NOW, volumes, kv)
  assert.equal(upToDate.volumes, 2)
  assert.equal(upToDate.metadata.stale, undefined)
  const cutOff: typeof volumes.status = async (copy?: Pick<KeyValueReader, 'read'>) => {
    if (copy === undefined) throw new ShoalError('UNAVAILABLE', 'etcd cannot be reached')
    return volumes.status(copy)
  }
  const last = await describeNode(NODE, NOW, { status: cutOff }, kv)
  assert.deepEqual(last, { ...upToDate, metadata: { ...METADATA, stale: true } })
  await assert.rejects(describeNode(NODE, NOW, { status: cutOff }, undefined), { code: 'UNAVAILABLE' })
  for (const code of ['STORAGE_FAILED', 'DATA_IN_USE'] as const) {
    const failed: typeof volumes.status = async (copy?: Pick<KeyValueReader, 'read'>) => {
      if (copy === undefined) throw new ShoalError(code, 'EIO')
      return volumes.status(copy)
    }
    const ofFailed = await describeNode(NODE, { ...NOW, state: 'storage-failed' }, { status: failed }, kv)
    assert.deepEqual(ofFailed, { ...last, state: 'storage-failed' })
  }
})
