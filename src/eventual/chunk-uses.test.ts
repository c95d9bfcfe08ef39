import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkId } from '#foundation/ids.ts'
import { usedChunks, usedLately } from './chunk-uses.ts'
import type { EntryValue } from './entry.ts'
import { connect, openReplica } from './fixture.suite.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { settleLeft } from './settle-left.ts'
import { EventualVolumes } from './volumes.ts'
import { definitionValue, DEFAULT_EVENTUAL_POLICY } from './volume-definition.ts'

const chunk = (letter: string) => letter.repeat(64) as ChunkId

function withChunks(...chunks: ChunkId[]): EntryValue {
  const extents = chunks.map((id) => ({ chunk: id, lengthBytes: 5000 }))
  return { ...definitionValue(DEFAULT_EVENTUAL_POLICY, 1n), sizeBytes: 5000, content: { kind: 'chunks', extents } }
}

test('a chunk is used as long as a version has it, with the class of its volume', async () => {
  const clock = new ManualClock()
  const replica = await openReplica({ clock })
  const volumes = new EventualVolumes(replica)
  await volumes.create('docs', { class: 'thrice' }, { timeNs: 1n })
  const docs = await volumes.open('docs')
  await docs.put('one', withChunks(chunk('a'), chunk('b')))
  await docs.put('two', withChunks(chunk('b')))
  const used = async () => [...(await usedChunks(replica, ['a', 'b', 'c'].map(chunk)))]
  const settle = async () => {
    clock.advance(3_600_000)
    await settleLeft(replica, { peers: { running: () => [], call: () => assert.fail('there is nobody to be asked') } })
  }
  assert.deepEqual(await used(), [
    [chunk('a'), ['thrice']],
    [chunk('b'), ['thrice']],
  ])
  await docs.put('one', withChunks(chunk('c')))
  assert.deepEqual(await used(), [
    [chunk('a'), ['thrice']],
    [chunk('b'), ['thrice']],
    [chunk('c'), ['thrice']],
  ])
  await settle()
  assert.deepEqual(
    (await used()).map(([id]) => id),
    [chunk('b'), chunk('c')],
  )
  await docs.remove('one')
  await docs.remove('two')
  await settle()
  assert.deepEqual(await used(), [])
})

test('a version that lost keeps its chunks, until it is dropped', async () => {
  const clock = new ManualClock()
  const replicas = [await openReplica({ id: 'a', clock }), await openReplica({ id: 'b', clock, isFounder: false })]
  const [one, other] = connect(replicas, clock)
  await other!.exchangeWith(replicas[0]!.node)
  const [here, there] = replicas.map((replica) => new EventualVolumes(replica))
  await here!.create('docs', {}, { timeNs: 1n })
  await one!.exchangeWith(replicas[1]!.node)
  await (await here!.open('docs')).put('file', withChunks(chunk('a')))
  clock.advance(10)
  await (await there!.open('docs')).put('file', withChunks(chunk('b')))
  await one!.exchangeWith(replicas[1]!.node)
  for (const replica of replicas) assert.equal((await usedChunks(replica, [chunk('a'), chunk('b')])).size, 2)
  const [, lost] = await (await here!.open('docs')).versions('file')
  await (await here!.open('docs')).drop('file', lost!)
  clock.advance(3_600_000)
  assert.deepEqual(await usedLately(replicas[0]!, [chunk('a'), chunk('b')]), [false, true])
})
