import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { FullNodes } from './full-nodes.ts'
import type { TrackerMember } from './ports.ts'

const MIB = 1024 * 1024
const FULL_MS = 600_000
const [a, b] = ['a', 'b'] as NodeId[] as [NodeId, NodeId]

class Fixture {
  readonly clock = new ManualClock()
  members: TrackerMember[] = [
    { id: a, state: 'alive', freeBytes: 10 * MIB },
    { id: b, state: 'alive' },
  ]
  readonly nodes = new FullNodes({
    source: { members: () => this.members, layouts: () => new Map() },
    clock: this.clock,
    fullMs: FULL_MS,
  })

  /** Who counts as full, once `a` tells of so much room. */
  full(freeMib: number): NodeId[] {
    this.members = this.members.map((member) => (member.id === a ? { ...member, freeBytes: freeMib * MIB } : member))
    const found = this.nodes.members().filter(({ state }) => state === 'full')
    return found.map(({ id }) => id)
  }
}

test('a node that had no room for a copy counts as full for its time, and no other one does', () => {
  const it = new Fixture()
  assert.deepEqual(it.full(10), [])
  it.nodes.note(b)
  assert.deepEqual(it.full(10), [b])
  it.clock.advance(FULL_MS - 1)
  assert.deepEqual(it.full(10), [b])
  it.clock.advance(1)
  assert.deepEqual(it.full(10), [])
})

test('a full node that tells of room for a chunk more than it had has room again, whatever it had told before it was full', () => {
  const it = new Fixture()
  // What it has told is older than its refusal.
  it.full(300)
  it.nodes.note(a)
  assert.deepEqual(it.full(300), [a])
  assert.deepEqual(it.full(5), [a])
  assert.deepEqual(it.full(60), [a])
  assert.deepEqual(it.full(5 + 64), [])
  assert.deepEqual(it.full(5), [])
  it.nodes.note(a)
  assert.deepEqual(it.full(5), [a])
})

test('a node that is down or takes no copies is not taken for a full one', () => {
  const it = new Fixture()
  it.nodes.note(b)
  for (const state of ['silent', 'dead', 'readonly', 'draining'] as const) {
    it.members = [{ id: b, state }]
    assert.deepEqual(it.nodes.members(), it.members)
  }
})
