import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { usedChunks } from './chunk-uses.ts'
import type { EntryValue } from './entry.ts'
import { connect, openReplica } from './fixture.suite.ts'
import type { Peers } from './message.ts'
import type { Replica } from './replica.ts'
import { settleLeft } from './settle-left.ts'
import { definitionValue, DEFAULT_EVENTUAL_POLICY } from './volume-definition.ts'
import { EventualVolumes } from './volumes.ts'

const HOUR_MS = 3_600_000
const CHUNK = 'a'.repeat(64) as ChunkId

function withChunk(chunk: ChunkId): EntryValue {
  const extents = [{ chunk, lengthBytes: 5000 }]
  return { ...definitionValue(DEFAULT_EVENTUAL_POLICY, 1n), sizeBytes: 5000, content: { kind: 'chunks', extents } }
}

/** Two members that both have a file with the chunk, and how each reaches the other. */
async function world() {
  const clock = new ManualClock()
  const replicas = [await openReplica({ id: 'a', clock }), await openReplica({ id: 'b', clock, isFounder: false })]
  const nodes = connect(replicas, clock)
  const state = { isReachable: true }
  const agree = async () => {
    await nodes[1]!.exchangeWith(replicas[0]!.node)
    await nodes[0]!.exchangeWith(replicas[1]!.node)
  }
  await agree()
  await new EventualVolumes(replicas[0]!).create('docs', {}, { timeNs: 1n })
  const docs = async (at: number) => new EventualVolumes(replicas[at]!).open('docs')
  await (await docs(0)).put('file', withChunk(CHUNK))
  await agree()
  const peersOf = (replica: Replica): Peers => ({
    running: () => (state.isReachable ? replicas.flatMap(({ node }) => (node === replica.node ? [] : [node])) : []),
    call: (to, message) => nodes[replicas.findIndex(({ node }) => node === to)]!.answer(message),
  })
  const settle = (at: number) => settleLeft(replicas[at]!, { peers: peersOf(replicas[at]!) })
  const isUsed = async (at: number) => (await usedChunks(replicas[at]!, [CHUNK])).has(CHUNK)
  return { clock, state, agree, docs, settle, isUsed }
}

test('a chunk that was left stays used until every member says that it has had it no more for long', async () => {
  const { clock, agree, docs, settle, isUsed } = await world()
  await (await docs(0)).remove('file')
  await agree()
  assert.deepEqual([await settle(0), await isUsed(0), await isUsed(1)], [0, true, true])
  clock.advance(HOUR_MS)
  // It has not been told for an hour what the other has.
  assert.equal(await settle(0), 0)
  await agree()
  assert.deepEqual([await settle(0), await isUsed(0), await isUsed(1)], [1, false, true])
  assert.deepEqual([await settle(1), await isUsed(1)], [1, false])
})

test('what another member has under a name that is not known here stays, and so does what a member has that is away', async () => {
  const { clock, state, agree, docs, settle, isUsed } = await world()
  await (await docs(1)).rename('file', 'other')
  await (await docs(0)).remove('file')
  clock.advance(HOUR_MS)
  assert.equal(await settle(0), 0)
  await agree()
  assert.deepEqual([await settle(0), await isUsed(0)], [0, true])
  await (await docs(0)).remove('other')
  await agree()
  clock.advance(HOUR_MS)
  await agree()
  state.isReachable = false
  assert.deepEqual([await settle(0), await isUsed(0)], [0, true])
  state.isReachable = true
  assert.deepEqual([await settle(0), await isUsed(0)], [1, false])
})
