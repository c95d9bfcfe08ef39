import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { consult } from './consult.ts'
import { answerMessage } from './answer.ts'
import { nodeId, openReplica } from './fixture.suite.ts'
import type { Message, Peers } from './message.ts'
import { EventualNamespace } from './namespace.ts'
import { textOf, valueOf } from './simulation-history.suite.ts'

const LETTERS = ['a', 'b', 'c']
const PLACE = { volume: 'docs', path: 'x' }

/** Three members that have not spoken with each other since they became members. */
async function three() {
  const clock = new ManualClock()
  const replicas = await Promise.all(LETTERS.map((id) => openReplica({ id, clock })))
  for (const replica of replicas) for (const letter of LETTERS) await replica.admit(nodeId(letter))
  const down = new Set<string>()
  const silent = new Set<string>()
  const peers: Peers = {
    running: () => [],
    async call(to, message: Message) {
      if (silent.has(to)) return new Promise(() => undefined)
      if (down.has(to)) throw new ShoalError('TIMEOUT', 'No answer came')
      return answerMessage(
        replicas.find(({ node }) => node === to)!,
        message,
      )
    },
  }
  const names = replicas.map((replica) => new EventualNamespace(replica, 'docs'))
  return { replicas, down, silent, peers, names, clock }
}

test('a reading by a majority sees what any of it has, and tells the others', async () => {
  const { replicas, down, peers, names, clock } = await three()
  await names[1]!.put('x', valueOf('of b'))
  clock.advance(10)
  await names[0]!.put('x', valueOf('of a'))
  down.add(nodeId('c'))
  const { versions } = await consult(replicas[0]!, PLACE, { peers, need: 'quorum' })
  assert.deepEqual(versions.map(textOf), ['of a', 'of b'])
  assert.equal(textOf((await names[1]!.stat('x'))?.version), 'of a')
  assert.equal(await names[2]!.stat('x'), undefined)
})

test('who is silent holds up no reading for which others are enough', { timeout: 5_000 }, async () => {
  const { replicas, silent, peers, names } = await three()
  await names[1]!.put('x', valueOf('of b'))
  silent.add(nodeId('c'))
  const { versions } = await consult(replicas[0]!, PLACE, { peers, need: 'quorum' })
  assert.deepEqual(versions.map(textOf), ['of b'])
})

test('a reading by all, or by a majority that cannot be had, is refused and says how many answered', async () => {
  const { replicas, down, peers, names } = await three()
  await names[0]!.put('x', valueOf('of a'))
  down.add(nodeId('c'))
  const isRefusal = (answered: number, needed: number) => (error: unknown) =>
    isShoalError(error, 'UNAVAILABLE') && error.details['answered'] === answered && error.details['needed'] === needed
  await assert.rejects(consult(replicas[0]!, PLACE, { peers, need: 'all' }), isRefusal(2, 3))
  down.add(nodeId('b'))
  await assert.rejects(consult(replicas[0]!, PLACE, { peers, need: 'quorum' }), isRefusal(1, 2))
  down.clear()
  assert.deepEqual((await consult(replicas[2]!, PLACE, { peers, need: 'all' })).versions.map(textOf), ['of a'])
})
