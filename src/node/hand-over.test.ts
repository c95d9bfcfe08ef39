import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { UnderWay } from '#gateway/http/under-way.ts'
import type { MemberView } from '#membership/member.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { HandOver } from './hand-over.ts'
import type { HandOverOptions } from './hand-over.ts'

const SELF = '1'.repeat(32) as NodeId
const OTHER = '2'.repeat(32) as NodeId

class World {
  readonly clock = new ManualClock()
  readonly servedHere = new UnderWay()
  readonly did: string[] = []
  readonly handOver: HandOver
  readonly #listeners = new Set<() => void>()
  #others: readonly Partial<MemberView>[] = []

  constructor() {
    const options = {
      metadata: {
        store: { resign: async () => void this.did.push('resigned') },
        leadership: { isLeading: true, leave: () => void this.did.push('left') },
      },
      cluster: {
        id: SELF,
        members: () => [{ id: SELF, liveness: 'alive', facts: { roles: ['meta'] } }, ...this.#others],
        onChange: (listener: () => void) => {
          this.#listeners.add(listener)
          return () => this.#listeners.delete(listener)
        },
      },
      servedHere: this.servedHere,
      clock: this.clock,
      graceMs: 1_000,
    }
    this.handOver = new HandOver(options as unknown as HandOverOptions)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  see(liveness: MemberView['liveness'], roles: readonly string[] = ['meta']): void {
    this.#others = [{ id: OTHER, liveness, facts: { roles } as MemberView['facts'] }]
    for (const listener of this.#listeners) listener()
  }
}

async function settle(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await Promise.resolve()
}

test('a node begins nothing more, and lets another one lead once what it has begun has ended, or has taken too long', async () => {
  for (const end of ['itself', 'time'] as const) {
    const world = new World()
    const { handOver, servedHere, clock, did } = world
    world.see('alive')
    const done = servedHere.begin()
    const running = handOver.run()
    await settle()
    assert.deepEqual(did, ['left'])
    if (end === 'itself') done()
    else clock.advance(1_000)
    await running
    assert.deepEqual(did, ['left', 'resigned'])
  }
})

test('a node leads on while no other one runs that could, and lets the first one that does', async () => {
  const world = new World()
  world.see('dead')
  world.handOver.runOnceOthersCan()
  await world.handOver.run()
  world.see('alive', ['store'])
  world.see('suspect')
  await settle()
  assert.deepEqual(world.did, [])
  world.see('alive')
  world.see('alive')
  await settle()
  assert.deepEqual(world.did, ['left', 'resigned'])
  assert.equal(world.listeners, 0)
})
