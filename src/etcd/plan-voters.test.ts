import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { NodeId } from '#foundation/ids.ts'
import { planVoters, VOTER_LIMITS } from './plan-voters.ts'
import type { SeatedMember, VoterNode, VoterStep, VoterView } from './plan-voters.ts'
import { VotersWorld, ZONES } from './voters-world.suite.ts'
import type { WorldEvent } from './voters-world.suite.ts'

const { replaceAfterMs } = VOTER_LIMITS
const NOW_MS = 10 * replaceAfterMs

const pick = fc.nat({ max: 20 })
const events: fc.Arbitrary<WorldEvent[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), zone: fc.constantFrom(...ZONES) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('kill' as const), pick }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('revive' as const), pick }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), pick }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ticks: fc.nat({ max: 30 }) }) },
  ),
  { maxLength: 60 },
)

function simulate(plan: (view: VoterView) => VoterStep, happened: readonly WorldEvent[]): void {
  const world = new VotersWorld(plan)
  for (const event of happened) world.play(event)
  // Whatever state that left, it is brought in order; without a quorum, once somebody has repaired it.
  if (world.hasQuorum()) {
    world.settle()
    world.checkSettled()
  }
  world.reviveAll()
  world.settle()
  world.checkSettled()
}

test('whatever nodes come, die, return and leave, no step costs the quorum or is refused, and the plan comes to rest where it should', () => {
  fc.assert(
    fc.property(events, (happened) => simulate(planVoters, happened)),
    { numRuns: 2_000 },
  )
})

test('canary: a plan that removes voters without counting who answers is found', () => {
  const careless = (view: VoterView): VoterStep => {
    const step = planVoters(view)
    const voters = view.members.filter(({ role }) => role === 'voter')
    const victim = voters.length > 2 && voters.some(({ isHealthy }) => !isHealthy) && voters.find(({ isHealthy }) => isHealthy)
    return victim ? { kind: 'remove', memberId: victim.id, nodeId: undefined, reason: 'careless', cameToNothing: false } : step
  }
  assert.throws(
    () =>
      fc.assert(
        fc.property(events, (happened) => simulate(careless, happened)),
        { numRuns: 2_000 },
      ),
    ({ cause }: Error) => String(cause).includes('lost its quorum'),
  )
})

test('canary: a plan that never replaces a lost voter is found', () => {
  const lazy = (view: VoterView): VoterStep =>
    planVoters({ ...view, limits: { ...VOTER_LIMITS, replaceAfterMs: Number.POSITIVE_INFINITY } })
  assert.throws(() =>
    fc.assert(
      fc.property(events, (happened) => simulate(lazy, happened)),
      { numRuns: 2_000 },
    ),
  )
})

test('a cluster grows by one voter at a time to three, five and no further, and in three zones', () => {
  const world = new VotersWorld(planVoters)
  const grow = (zone: (typeof ZONES)[number]): string => {
    world.play({ kind: 'join', zone })
    world.settle()
    world.checkSettled()
    return world.zones().join('')
  }
  assert.deepEqual(
    ['b', 'a', 'c', 'c', 'a'].map((zone) => grow(zone as 'a')),
    ['a', 'aab', 'aab', 'aabcc', 'aabcc'],
  )
})

function voter(name: string, facts: Partial<SeatedMember> = {}): SeatedMember {
  const urls = { peerUrls: [`http://${name}`], clientUrls: [] }
  return {
    id: `m-${name}`,
    name,
    ...urls,
    role: 'voter',
    isHealthy: true,
    isLeader: false,
    isCaughtUp: true,
    sinceMs: 0,
    ...facts,
  }
}

function node(name: string, facts: Partial<VoterNode> = {}): VoterNode {
  return { nodeId: name as NodeId, peerUrl: `http://${name}`, zone: name, isAlive: true, sinceMs: 0, ...facts }
}

function decide(members: readonly SeatedMember[], nodes: readonly VoterNode[]): string {
  const step = planVoters({ members, nodes, nowMs: NOW_MS })
  if (step.kind === 'nothing') return `nothing: ${step.reason}`
  return step.kind === 'add-learner' ? `add ${step.nodeId}` : `${step.kind} ${step.memberId}`
}

const dead = (forMs: number): Partial<SeatedMember> => ({ isHealthy: false, sinceMs: NOW_MS - forMs })

test('of two nodes one votes', () => {
  assert.equal(decide([voter('a')], [node('a'), node('b')]), 'nothing: as it should be')
  assert.equal(decide([voter('a', { isLeader: true }), voter('b')], [node('a'), node('b')]), 'remove m-b')
})

test('a learner gets its vote when it has caught up, and nothing else happens before', () => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name))
  assert.equal(decide([voter('a')], nodes), 'add b')
  const learner = (facts: Partial<SeatedMember>): SeatedMember => voter('b', { role: 'learner', ...facts })
  const starting = learner({ name: '', isCaughtUp: false, isHealthy: false, sinceMs: NOW_MS })
  assert.equal(decide([voter('a'), starting], nodes), 'nothing: the learner does not answer yet')
  assert.equal(decide([voter('a'), learner({ isCaughtUp: false })], nodes), 'nothing: the learner is catching up')
  assert.equal(decide([voter('a'), learner({})], nodes), 'promote m-b')
  assert.equal(decide([voter('a'), learner(dead(VOTER_LIMITS.learnerPatienceMs))], nodes), 'remove m-b')
})

test('a lost voter goes after its time and not before, if somebody can have its seat', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((name) => node(name))
  const members = (forMs: number): SeatedMember[] => [voter('a'), voter('b'), voter('c', dead(forMs))]
  const three = nodes.slice(0, 3)
  assert.equal(decide(members(replaceAfterMs - 1), nodes), 'nothing: as it should be')
  assert.equal(decide(members(replaceAfterMs), nodes), 'remove m-c')
  assert.equal(decide(members(replaceAfterMs), three), 'nothing: as it should be')
  assert.equal(decide([voter('a'), voter('b')], nodes), 'add c')
})

test('the voter of a removed node goes when another one has come; out of five, before', () => {
  const staying = ['b', 'c', 'd', 'e', 'f'].map((name) => node(name))
  assert.equal(decide([voter('a'), voter('b'), voter('c')], staying.slice(0, 3)), 'add d')
  assert.equal(decide([voter('a'), voter('b'), voter('c'), voter('d')], staying.slice(0, 3)), 'remove m-a')
  assert.equal(
    decide(
      ['a', 'b', 'c', 'd', 'e'].map((name) => voter(name)),
      staying,
    ),
    'remove m-a',
  )
  assert.equal(
    decide([voter('a'), voter('b'), voter('c', dead(0))], staying.slice(0, 2)),
    'nothing: too few voters answer for one more to go',
  )
})

test('without a quorum nothing is done', () => {
  const members = [voter('a'), voter('b', dead(NOW_MS)), voter('c', dead(NOW_MS))]
  const nodes = ['a', 'b', 'c', 'd', 'e'].map((name) => node(name))
  assert.equal(decide(members, nodes), 'nothing: no quorum: an operator has to restore it')
})
