import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Address } from '#platform/datagrams.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { encodeExchange, MEMBERS_MAX, REMOVED_MAX } from './exchange.ts'
import type { NodeFacts } from './facts.ts'
import type { MembershipAction } from './membership-event.ts'
import { Membership } from './membership.ts'
import { decodePacket, encodePacket, type Message, type Packet } from './message.ts'
import { encodeUpdate, type Liveness, type Update } from './update.ts'
import { anyMutation, anyUpdate, LONGEST_FACTS } from './update.suite.ts'

const idOf = (index: number) => index.toString(16).padStart(32, '0') as NodeId
const factsOf = (index: number, changes: Partial<NodeFacts> = {}): NodeFacts => ({
  ...LONGEST_FACTS,
  ...{ host: `10.0.${index >> 8}.${index & 255}`, nodePort: 7402, mode: 'active', ...changes },
})
const addressOf = (index: number): Address => ({ host: factsOf(index).host, port: 7402 })
const alive = (index: number, incarnation = 1): Update => {
  return { kind: 'alive', id: idOf(index), incarnation, facts: factsOf(index, { usedBytes: incarnation }) }
}

/** Node 0, and a hand to play the others with. */
class Bench {
  readonly core: Membership
  nowMs = 0

  constructor(options: Partial<ConstructorParameters<typeof Membership>[0]> = {}) {
    const random = new SeededRandom(1)
    this.core = new Membership({ id: idOf(0), incarnation: 10, facts: factsOf(0), random, nowMs: 0, ...options })
  }

  /** A packet of node `from`; what node 0 does about it. */
  packet(from: number, message: Message, ...updates: Update[]): MembershipAction[] {
    const bytes = encodePacket(idOf(from), message, () => updates.map(encodeUpdate))
    return this.core.step({ kind: 'packet', from: addressOf(from), bytes }, this.nowMs)
  }

  hear(...updates: Update[]): MembershipAction[] {
    return this.packet(1, { kind: 'gossip' }, ...updates)
  }

  /** The whole state of node 1, as node 0 asked for it. */
  exchange(...members: { index: number; liveness: Liveness; goneForMs?: number }[]): void {
    const states = members.map(({ index, liveness, goneForMs = 0 }) => {
      return { id: idOf(index), incarnation: 1, liveness, goneForMs, facts: factsOf(index), factsIncarnation: 1 }
    })
    const bytes = encodeExchange({ sender: idOf(1), members: states, removed: [] })
    this.core.step({ kind: 'exchange-answered', bytes }, this.nowMs)
  }

  /** All that node 0 does until then, step by step. */
  until(untilMs: number): MembershipAction[] {
    const actions: MembershipAction[] = []
    while (this.core.nextStepMs <= untilMs) {
      this.nowMs = this.core.nextStepMs
      actions.push(...this.core.step({ kind: 'tick' }, this.nowMs))
    }
    this.nowMs = untilMs
    return actions
  }

  states() {
    return this.core.members().map(({ id, state, incarnation, facts }) => ({ id, state, incarnation, used: facts.usedBytes }))
  }
}

function sent(actions: readonly MembershipAction[]): (Packet & { to: Address })[] {
  return actions.flatMap((action) => (action.kind === 'send' ? [{ to: action.to, ...decodePacket(action.bytes) }] : []))
}

test('nodes that heard the same know the same, in whatever order and however often', () => {
  const anyWord: fc.Arbitrary<Update> = fc
    .record({ index: fc.integer({ min: 2, max: 4 }), incarnation: fc.nat(4), kind: fc.nat(12) })
    .map(({ index, incarnation, kind }) => {
      const id = idOf(index)
      if (kind <= 4) return alive(index, incarnation)
      if (kind <= 7) return { kind: 'suspect', id, incarnation, from: idOf(1) }
      if (kind === 12) return { kind: 'removed', id }
      return { kind: kind <= 9 ? 'dead' : 'left', id, incarnation }
    })
  fc.assert(
    fc.property(fc.array(anyWord, { maxLength: 12 }), fc.infiniteStream(fc.nat()), (words, order) => {
      const [a, b] = [new Bench(), new Bench()]
      for (const bench of [a, b]) bench.hear(...[1, 2, 3, 4].map((index) => alive(index, 0)))
      const shuffled = [...words, ...words.slice(0, 3)]
        .map((word) => ({ word, place: order.next().value }))
        .toSorted((x, y) => x.place - y.place)
      for (const word of words) a.hear(word)
      for (const { word } of shuffled) b.hear(word)
      const sorted = (bench: Bench) => bench.states().toSorted((x, y) => (x.id < y.id ? -1 : 1))
      assert.deepEqual(sorted(a), sorted(b))
      assert.deepEqual(a.core.removed, b.core.removed)
    }),
  )
})

test('whatever bytes come, nothing is thrown; what can not be read is counted and changes nothing', () => {
  const bench = new Bench()
  bench.hear(alive(1), alive(2))
  fc.assert(
    fc.property(fc.array(anyUpdate, { maxLength: 4 }), fc.nat(300), anyMutation, (updates, sequence, mutate) => {
      const bytes = mutate(encodePacket(idOf(1), { kind: 'ping', sequence, target: idOf(0) }, () => updates.map(encodeUpdate)))
      const [malformed, before] = [bench.core.counts.malformed, bench.states()]
      bench.core.step({ kind: 'packet', from: addressOf(1), bytes }, bench.nowMs)
      if (bench.core.counts.malformed > malformed) assert.deepEqual(bench.states(), before)
      const [answer] = bench.core.step({ kind: 'exchange-asked', bytes: mutate(bench.core.exchangeBytes()) }, bench.nowMs)
      assert.ok(answer !== undefined)
      bench.core.step({ kind: 'exchange-answered', bytes }, bench.nowMs)
    }),
  )
  assert.ok(bench.core.counts.malformed > 100)
})

test('a probe is direct, then through three others, then a suspicion that the suspect hears first', () => {
  const bench = new Bench()
  bench.hear(...[1, 2, 3, 4, 5].map((index) => alive(index)))
  const packets = sent(bench.until(2100))
  const [ping] = packets.filter(({ message }) => message.kind === 'ping')
  assert.ok(ping?.message.kind === 'ping')
  const { target, sequence } = ping.message
  const requests = packets.filter(({ message }) => message.kind === 'ping-request')
  assert.equal(new Set(requests.map(({ to }) => to.host)).size, 3)
  for (const { message, to } of requests) {
    assert.ok(message.kind === 'ping-request' && message.target === target && message.sequence === sequence)
    assert.notDeepEqual(to, ping.to)
  }
  const [first] = packets.filter(({ updates }) => updates.some(({ kind }) => kind === 'suspect'))
  assert.deepEqual(first?.to, ping.to)
  assert.deepEqual(first?.updates[0], { kind: 'suspect', id: target, incarnation: 1, from: idOf(0) })
})

test('nobody is asked to probe itself, and nobody who is suspected', () => {
  let asked = 0
  for (let seed = 1; seed <= 20; seed += 1) {
    const bench = new Bench({ random: new SeededRandom(seed) })
    bench.hear(...[1, 2, 3, 4].map((index) => alive(index)), { kind: 'suspect', id: idOf(4), incarnation: 1, from: idOf(1) })
    for (const { message, to } of sent(bench.until(1900)))
      if (message.kind === 'ping-request') {
        asked += 1
        assert.notDeepEqual(to, message.address)
        assert.notDeepEqual(to, addressOf(4))
      }
  }
  assert.ok(asked >= 40, `${asked} were asked`)
})

test('of a node that has ended nothing older is told any more', () => {
  const bench = new Bench()
  bench.hear(alive(1), alive(2), { kind: 'left', id: idOf(2), incarnation: 1 })
  const told = sent(bench.until(300)).flatMap(({ updates }) => updates.filter(({ id }) => id === idOf(2)))
  assert.deepEqual(new Set(told.map(({ kind }) => kind)), new Set(['left']))
})

test('an answer through others is an answer', () => {
  const bench = new Bench()
  bench.hear(...[1, 2, 3].map((index) => alive(index)))
  let answers = 0
  for (let untilMs = 10; untilMs < 10_000; untilMs += 10)
    for (const { message } of sent(bench.until(untilMs)))
      if (message.kind === 'ping-request') {
        answers += 1
        bench.packet(2, { kind: 'ack', sequence: message.sequence })
      }
  assert.ok(answers > 5)
  assert.equal(bench.core.counts.suspicions, 0)
})

test('a probe for another node is passed on, its answer passed back, and its failure said before the asker gives up', () => {
  const bench = new Bench()
  const ask = (sequence: number) => {
    const request: Message = { kind: 'ping-request', sequence, target: idOf(2), address: addressOf(2) }
    const [ping] = sent(bench.packet(1, request)).filter(({ message }) => message.kind === 'ping')
    assert.ok(ping?.message.kind === 'ping' && ping.message.target === idOf(2))
    assert.deepEqual(ping.to, addressOf(2))
    return ping.message.sequence
  }
  const [ack] = sent(bench.packet(2, { kind: 'ack', sequence: ask(77) })).filter(({ message }) => message.kind === 'ack')
  assert.deepEqual([ack?.to, ack?.message], [addressOf(1), { kind: 'ack', sequence: 77 }])
  ask(78)
  const [nack] = sent(bench.until(450)).filter(({ message }) => message.kind === 'nack')
  assert.deepEqual([nack?.to, nack?.message], [addressOf(1), { kind: 'nack', sequence: 78 }])
})

test('no more than 256 probes for others are under way', () => {
  const bench = new Bench()
  for (let sequence = 0; sequence < 300; sequence += 1)
    bench.packet(1, { kind: 'ping-request', sequence, target: idOf(2), address: addressOf(2) })
  assert.equal(bench.core.counts.refusedRelays, 300 - 256)
})

test('a ping for another node that had this address is not answered', () => {
  const bench = new Bench()
  const answered = (target: number) => sent(bench.packet(1, { kind: 'ping', sequence: 1, target: idOf(target) })).length
  assert.deepEqual([answered(3), answered(0)], [0, 1])
})

test('a node that is suspected or taken for dead says at once that it runs, above what was said', () => {
  for (const kind of ['suspect', 'dead'] as const) {
    const bench = new Bench()
    const word: Update =
      kind === 'dead' ? { kind, id: idOf(0), incarnation: 15 } : { kind, id: idOf(0), incarnation: 15, from: idOf(1) }
    const [ack] = sent(bench.packet(1, { kind: 'ping', sequence: 1, target: idOf(0) }, alive(1), word))
    const said = ack?.updates.find(({ id }) => id === idOf(0))
    assert.ok(said?.kind === 'alive' && said.incarnation === 16)
    assert.deepEqual([bench.core.counts.refutations, bench.core.slowness], [1, 1])
  }
})

test('a node that restarts below its earlier incarnation goes above it, and is not slow for that', () => {
  const bench = new Bench({ incarnation: 3 })
  bench.hear(alive(0, 20))
  assert.deepEqual([bench.core.self.incarnation, bench.core.slowness], [21, 0])
  bench.hear({ kind: 'left', id: idOf(0), incarnation: 30 })
  assert.deepEqual([bench.core.self.incarnation, bench.core.self.state], [31, 'alive'])
})

test('somebody else with this node’s id is reported', () => {
  const bench = new Bench()
  const twin: Update = { kind: 'alive', id: idOf(0), incarnation: 50, facts: factsOf(9) }
  const actions = bench.hear(twin)
  assert.ok(actions.some((action) => action.kind === 'twin' && action.facts.host === factsOf(9).host))
})

test('whoever is suspected, dead or gone and sends something hears it with the answer', () => {
  for (const kind of ['dead', 'left'] as const) {
    const bench = new Bench()
    bench.hear(alive(2), { kind, id: idOf(2), incarnation: 1 })
    const [ack] = sent(bench.packet(2, { kind: 'ping', sequence: 5, target: idOf(0) }))
    assert.deepEqual([ack?.message.kind, ack?.updates[0]], ['ack', { kind, id: idOf(2), incarnation: 1 }])
  }
})

test('a dead node is asked every five seconds whether it is back', () => {
  const bench = new Bench()
  bench.hear(alive(2), { kind: 'dead', id: idOf(2), incarnation: 1 })
  const knocks = sent(bench.until(30_000)).filter(({ message }) => message.kind === 'ping' && message.target === idOf(2))
  assert.equal(knocks.length, 6)
})

test('facts that change reach the others with a higher incarnation; facts that can not be change nothing', () => {
  const bench = new Bench()
  bench.hear(alive(1))
  const before = bench.core.self
  assert.throws(
    () => bench.core.step({ kind: 'facts', changes: { zone: 'no zone' } }, 0),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
  assert.deepEqual(bench.core.self, before)
  bench.core.step({ kind: 'facts', changes: { usedBytes: 5, mode: 'draining' } }, 0)
  assert.deepEqual([bench.core.self.state, bench.core.self.incarnation], ['draining', 11])
  const told = sent(bench.until(400))
    .flatMap(({ updates }) => updates)
    .find(({ id }) => id === idOf(0))
  assert.ok(told?.kind === 'alive' && told.incarnation === 11 && told.facts.usedBytes === 5)
})

test('past a thousand nodes a further one is refused and counted; those that are gone make room', () => {
  const bench = new Bench()
  for (let index = 1; index < MEMBERS_MAX; index += 1) bench.hear(alive(index))
  assert.equal(bench.core.members().length, MEMBERS_MAX)
  bench.hear(alive(5000))
  assert.equal(bench.core.member(idOf(5000)), undefined)
  assert.equal(bench.core.counts.refusedFull, 1)
  bench.hear({ kind: 'dead', id: idOf(7), incarnation: 1 })
  bench.hear(alive(5000))
  assert.equal(bench.core.member(idOf(5000))?.state, 'alive')
  assert.equal(bench.core.member(idOf(7)), undefined)
  assert.equal(bench.core.members().length, MEMBERS_MAX)
  assert.ok(bench.core.pendingNews <= 2 * MEMBERS_MAX)
})

test('removed ids are kept up to their limit, and more are refused and counted', () => {
  const bench = new Bench({ removed: Array.from({ length: REMOVED_MAX }, (_, index) => idOf(index + 10)) })
  bench.hear({ kind: 'removed', id: idOf(9) })
  assert.equal(bench.core.removed.size, REMOVED_MAX)
  assert.equal(bench.core.counts.refusedFull, 1)
  bench.hear(alive(10))
  assert.equal(bench.core.member(idOf(10)), undefined)
})

test('a node that runs here and is dead there is suspected first; one that is unknown here is remembered as dead', () => {
  const bench = new Bench()
  bench.hear(alive(2), alive(3))
  bench.exchange({ index: 2, liveness: 'dead' }, { index: 3, liveness: 'left' }, { index: 4, liveness: 'dead' })
  assert.deepEqual(
    [2, 3, 4].map((index) => bench.core.member(idOf(index))?.state),
    ['suspect', 'left', 'dead'],
  )
})

test('the dead of others are forgotten when they would be there', () => {
  const bench = new Bench({ timing: { goneRetentionMs: 60_000 } })
  bench.exchange({ index: 2, liveness: 'dead', goneForMs: 40_000 }, { index: 3, liveness: 'left', goneForMs: 60_000 })
  assert.equal(bench.core.member(idOf(3)), undefined)
  bench.until(19_000)
  assert.equal(bench.core.member(idOf(2))?.state, 'dead')
  bench.until(26_000)
  assert.equal(bench.core.member(idOf(2)), undefined)
})

test('states are exchanged with whoever was not known to run and sends something, once a period', () => {
  const bench = new Bench()
  bench.hear(alive(2), alive(3), { kind: 'dead', id: idOf(2), incarnation: 1 })
  const exchanges = (from: number) =>
    bench.packet(from, { kind: 'gossip' }).flatMap((action) => (action.kind === 'exchange' ? [action.to] : []))
  bench.nowMs = 150
  assert.deepEqual([exchanges(3), exchanges(2)], [[], []], 'node 1 came first, unknown')
  bench.until(1100)
  assert.deepEqual([exchanges(3), exchanges(2), exchanges(9)], [[], [addressOf(2)], []])
})

test('a step that comes late makes nobody dead, and the deadlines move along', () => {
  const bench = new Bench()
  bench.hear(alive(2), { kind: 'suspect', id: idOf(2), incarnation: 1, from: idOf(1) })
  bench.nowMs += 600_000
  bench.core.step({ kind: 'tick' }, bench.nowMs)
  assert.equal(bench.core.member(idOf(2))?.state, 'suspect')
  assert.deepEqual([bench.core.counts.pauses, bench.core.slowness], [1, 1])
  bench.until(bench.nowMs + 25_000)
  assert.equal(bench.core.member(idOf(2))?.state, 'dead')
})

test('a node whose id was taken away gets no answer but that, and nothing that it says counts', () => {
  const bench = new Bench({ removed: [idOf(2)] })
  const packets = sent(bench.packet(2, { kind: 'ping', sequence: 1, target: idOf(0) }, alive(3)))
  assert.deepEqual(
    packets.map(({ message, updates }) => [message.kind, updates]),
    [['gossip', [{ kind: 'removed', id: idOf(2) }]]],
  )
  assert.equal(bench.core.member(idOf(3)), undefined)
  assert.equal(bench.core.counts.refusedRemoved, 1)
})

test('a node that was slow is well again when its probes are answered', () => {
  const bench = new Bench()
  bench.hear(alive(1), alive(2))
  bench.until(5000)
  assert.ok(bench.core.slowness > 1)
  for (let untilMs = 5000; untilMs < 60_000; untilMs += 10)
    for (const { message } of sent(bench.until(untilMs)))
      if (message.kind === 'ping')
        bench.packet(1, { kind: 'ack', sequence: message.sequence }, alive(1, untilMs), alive(2, untilMs))
  assert.equal(bench.core.slowness, 0)
})

test('who has just joined tells only of itself', () => {
  const [old, fresh] = [new Bench(), new Bench({ id: idOf(77), facts: factsOf(77) })]
  old.hear(...[1, 2, 3, 4].map((index) => alive(index)))
  const [answer] = old.core
    .step({ kind: 'exchange-asked', bytes: fresh.core.exchangeBytes() }, 0)
    .filter(({ kind }) => kind === 'answer')
  assert.ok(answer?.kind === 'answer')
  fresh.core.step({ kind: 'exchange-answered', bytes: answer.bytes }, 0)
  assert.equal(fresh.core.members().length, 6)
  assert.equal(fresh.core.pendingNews, 1)
  assert.equal(old.core.member(idOf(77))?.state, 'alive')
})

test('a seed is asked again as long as the node is alone', () => {
  const bench = new Bench({ timing: { exchangeIntervalMs: 1e9 } })
  bench.core.step({ kind: 'seeds', seeds: [addressOf(8)] }, 0)
  const asked = (forMs: number) =>
    bench.until(bench.nowMs + forMs).filter((action) => action.kind === 'exchange' && action.to.host === addressOf(8).host).length
  assert.ok(asked(20_000) >= 4)
  bench.hear(alive(8))
  assert.equal(asked(4000), 0)
})
