import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import type { ObservedMember } from './etcd-member.ts'
import { EtcdMembers } from './etcd-members.ts'
import type { EtcdCalls } from './etcd-members.ts'
import { EtcdVoters } from './etcd-voters.ts'
import { VOTER_LIMITS } from './plan-voters.ts'

const NEVER = new AbortController().signal

type Answer = (body: object) => unknown

/** What each member answers, by its client URL and the call. */
class Door {
  readonly answers = new Map<string, Record<string, Answer>>()
  readonly asked: string[] = []
  readonly open = new Set<string>()
  pieces: (string | undefined)[] = []

  readonly connect = (endpoint: string): EtcdCalls => {
    this.open.add(endpoint)
    return {
      call: async <T>(path: string, body: object): Promise<T> => {
        this.asked.push(`${endpoint} ${path}`)
        const answer = this.answers.get(endpoint)?.[path]
        if (answer === undefined) throw new ShoalError('UNAVAILABLE', `etcd at ${endpoint} cannot be reached`)
        return answer(body) as T
      },
      stream: async function* <T>(this: Door): AsyncGenerator<T> {
        for (const blob of this.pieces) yield { blob } as T
      }.bind(this) as EtcdCalls['stream'],
      close: async () => void this.open.delete(endpoint),
    }
  }
}

function refuse(reason: string): Answer {
  return () => {
    throw new ShoalError('UNAVAILABLE', 'etcd cannot be reached', { cause: `etcd says: ${reason}` })
  }
}

function memberJson(name: string, isLearner = false): object {
  return { ID: `id-${name}`, name, peerURLs: [`${name}:2`], clientURLs: [`${name}:1`], ...(isLearner ? { isLearner } : {}) }
}

function statusJson(leader: string | undefined, index: number): Answer {
  const applied = { raftIndex: String(index), raftAppliedIndex: String(index) }
  return () => ({ header: { member_id: '1' }, version: '3.4.23', ...applied, ...(leader === undefined ? {} : { leader }) })
}

test('whoever answers is asked, the others are learnt, and those that are gone are let go', async () => {
  const door = new Door()
  const members = new EtcdMembers({ endpoints: ['seed:1', 'a:1'], connect: door.connect })
  door.answers.set('a:1', { 'cluster/member/list': () => ({ members: [memberJson('a'), memberJson('b')] }) })
  const [a, b] = await members.list()
  assert.deepEqual(a, { id: 'id-a', name: 'a', peerUrls: ['a:2'], clientUrls: ['a:1'], role: 'voter' })
  assert.equal(b?.name, 'b')
  door.answers.clear()
  door.answers.set('b:1', { 'cluster/member/list': () => ({ members: [memberJson('b'), { ID: 'new', isLearner: true }] }) })
  assert.deepEqual((await members.list())[1], { id: 'new', name: '', peerUrls: [], clientUrls: [], role: 'learner' })
  assert.deepEqual(door.asked.slice(-2), ['a:1 cluster/member/list', 'b:1 cluster/member/list'])
  await members.list()
  assert.deepEqual(door.asked.slice(-1), ['b:1 cluster/member/list'])
  await members.close()
  assert.equal(door.open.size, 0)
})

test('a member is healthy if it answers and knows a leader, and has caught up if it has nearly all', async () => {
  const door = new Door()
  const members = new EtcdMembers({ endpoints: ['a:1'], connect: door.connect })
  const names = ['a', 'b', 'c', 'd']
  const list = (): unknown => ({ members: names.map((name) => memberJson(name, name === 'd')) })
  door.answers.set('a:1', { 'cluster/member/list': list, 'maintenance/status': statusJson('id-a', 50_000) })
  door.answers.set('b:1', { 'maintenance/status': statusJson(undefined, 50_000) })
  door.answers.set('d:1', { 'maintenance/status': statusJson('id-a', 48_000) })
  const seen = (await members.observe()).map(({ isHealthy, isLeader, isCaughtUp }) => [isHealthy, isLeader, isCaughtUp])
  assert.deepEqual(seen, [
    [true, true, true],
    [false, false, true],
    [false, false, false],
    [true, false, false],
  ])
  await members.close()
})

test('a refusal is told with its reason, whoever else does not answer', async () => {
  const door = new Door()
  const members = new EtcdMembers({ endpoints: ['dead:1', 'a:1', 'deaf:1'], connect: door.connect })
  const unhealthy = refuse('etcdserver: unhealthy cluster')
  door.answers.set('a:1', { 'cluster/member/add': unhealthy, 'cluster/member/update': (body) => body })
  await assert.rejects(members.addLearner('x:2'), (error: Error) => {
    assert.match(error.message, /Cannot add "x:2": etcd says: etcdserver: unhealthy cluster/)
    return isShoalError(error, 'UNAVAILABLE')
  })
  await members.update('id-a', 'elsewhere:2')
  await assert.rejects(members.promote('id-a'), (error) => isShoalError(error, 'UNAVAILABLE'))
  await members.close()
})

test('a snapshot that ends early or was damaged on the way is none, and the one before stays', async () => {
  const door = new Door()
  const files = new MemoryFiles()
  await files.makeFolder('/backup')
  const members = new EtcdMembers({ endpoints: ['a:1'], connect: door.connect })
  door.answers.set('a:1', { 'cluster/member/list': () => ({ members: [memberJson('a')] }) })
  const body = Buffer.alloc(100_000, 'x')
  const whole = Buffer.concat([body, createHash('sha256').update(body).digest()])
  const cut = (bytes: Buffer): string[] =>
    [0, 30_000, 99_990].map((from, at, all) => bytes.subarray(from, all[at + 1]).toString('base64'))
  const save = (): Promise<number> => members.saveSnapshot('/backup/etcd.db', { files, signal: NEVER })
  door.pieces = [...cut(whole), undefined]
  assert.equal(await save(), whole.length)
  const damaged = Buffer.from(whole)
  damaged[5] = 0
  for (const pieces of [[], cut(whole).slice(0, 2), cut(damaged)]) {
    door.pieces = pieces
    await assert.rejects(save(), (error) => isShoalError(error, 'UNAVAILABLE'))
    assert.deepEqual(await files.list('/backup'), ['etcd.db'])
  }
  assert.ok((await files.read('/backup/etcd.db'))?.equals(whole))
  await members.close()
})

/** An etcd in which learners are silent, as far as those who give votes see it. */
class SilentLearners {
  readonly clock = new ManualClock()
  readonly learners: string[] = []
  readonly added: string[] = []
  readonly nodes = ['a', 'b', 'c'].map((name, sinceMs) => ({
    ...{ nodeId: name as NodeId, peerUrl: `${name}:2`, zone: 'z', isAlive: true, sinceMs },
  }))
  readonly voters = new EtcdVoters({
    clock: this.clock,
    log: silentLog,
    members: {
      observe: async () => [this.#seat('a', false), ...this.learners.map((name) => this.#seat(name, true))],
      addLearner: async (peerUrl) => {
        this.learners.push(peerUrl.slice(0, 1))
        this.added.push(peerUrl)
        return []
      },
      promote: async () => {},
      remove: async () => void this.learners.pop(),
    },
  })

  /** The kinds of steps of a number of rounds, but for those in which nothing is done. */
  async rounds(count: number, { everyMs }: { readonly everyMs: number }): Promise<string[]> {
    const kinds: string[] = []
    for (let round = 0; round < count; round += 1) {
      kinds.push((await this.voters.round(this.nodes)).kind)
      this.clock.advance(everyMs)
    }
    return kinds.filter((kind) => kind !== 'nothing')
  }

  #seat(name: string, isLearner: boolean): ObservedMember {
    return {
      ...{ id: `id-${name}`, name: isLearner ? '' : name, peerUrls: [`${name}:2`], clientUrls: [], isCaughtUp: true },
      ...{ role: isLearner ? 'learner' : 'voter', isHealthy: !isLearner, isLeader: false },
    }
  }
}

test('a node on which a learner comes to nothing is left alone for half an hour, though it lives', async () => {
  const it = new SilentLearners()
  assert.deepEqual(await it.rounds(45, { everyMs: 60_000 }), ['add-learner', 'remove', 'add-learner'])
  assert.deepEqual(it.added, ['b:2', 'b:2'])
  assert.equal(VOTER_LIMITS.learnerPatienceMs, 10 * 60_000)
})

test('a learner that is removed before it answers, because another node is taken for dead, is tried again when that one is back', async () => {
  const it = new SilentLearners()
  const [, , c] = it.nodes
  assert.deepEqual(await it.rounds(2, { everyMs: 2_000 }), ['add-learner'])
  assert.ok(c)
  // Two nodes have one voter.
  c.isAlive = false
  assert.deepEqual(await it.rounds(2, { everyMs: 2_000 }), ['remove'])
  c.isAlive = true
  assert.deepEqual(await it.rounds(2, { everyMs: 2_000 }), ['add-learner'])
  assert.deepEqual(it.added, ['b:2', 'b:2'])
})
