import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { UnderWay } from '#gateway/http/under-way.ts'
import type { MemberView } from '#membership/member.ts'
import { silentLog } from '#observe/log.ts'
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
  /** What the disk has left, and what the other node tells of its own. */
  roomBytes = 1_000_000_000
  otherRoomBytes = 1_000_000_000
  /** Somebody else leads when this node doesn't. */
  isLed = true

  constructor() {
    const options = {
      metadata: {
        store: { resign: async () => void this.did.push('resigned'), campaignAgain: () => void this.did.push('campaigns') },
        leadership: {
          isLeading: true,
          leave: () => void this.did.push('left'),
          leader: () => (this.isLed ? { nodeId: OTHER } : undefined),
          comeBack: () => void this.did.push('came back'),
        },
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

  watchSpace(signal: AbortSignal): Promise<void> {
    return this.handOver.watchSpace({ roomBytes: async () => this.roomBytes, log: silentLog, signal })
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.clock.advance(1_000)
      await settle()
    }
  }

  see(liveness: MemberView['liveness'], roles: readonly string[] = ['meta'], mode = 'active'): void {
    const facts = { roles, mode, capacityBytes: 10_000_000_000, usedBytes: 10_000_000_000 - this.otherRoomBytes }
    this.#others = [{ id: OTHER, liveness, facts: facts as unknown as MemberView['facts'] }]
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
  world.see('alive', ['meta'], 'storage-failed')
  await settle()
  assert.deepEqual(world.did, [])
  world.see('alive')
  world.see('alive')
  await settle()
  assert.deepEqual(world.did, ['left', 'resigned'])
  assert.equal(world.listeners, 0)
})

test('a node whose disk is full lets another one lead that has room, and may lead again once it has room itself', async () => {
  const world = new World()
  const stop = new AbortController()
  world.see('alive')
  const watching = world.watchSpace(stop.signal)
  await world.pass(3)
  assert.deepEqual(world.did, [])
  world.roomBytes = 1_000
  await world.pass(2)
  assert.deepEqual(world.did, ['left', 'resigned'])
  world.roomBytes = 10_000_000
  await world.pass(30)
  assert.deepEqual(world.did, ['left', 'resigned'])
  world.roomBytes = 100_000_000
  await world.pass(2)
  assert.deepEqual(world.did, ['left', 'resigned', 'campaigns', 'came back'])
  stop.abort()
  await watching
})

test('a node whose disk is full leads on, or again, while no other one has room, or none does', async () => {
  const world = new World()
  const stop = new AbortController()
  world.otherRoomBytes = 1_000
  world.see('alive')
  const watching = world.watchSpace(stop.signal)
  world.roomBytes = -1
  await world.pass(5)
  assert.deepEqual(world.did, [])
  world.otherRoomBytes = 1_000_000_000
  world.see('alive')
  await world.pass(2)
  assert.deepEqual(world.did, ['left', 'resigned'])
  world.see('dead')
  await world.pass(2)
  assert.deepEqual(world.did.splice(0), ['left', 'resigned', 'campaigns', 'came back'])
  world.see('alive')
  await world.pass(50)
  assert.deepEqual(world.did, [])
  await world.pass(12)
  assert.deepEqual(world.did.splice(0), ['left', 'resigned'])
  world.isLed = false
  await world.pass(6)
  assert.deepEqual(world.did, ['campaigns', 'came back'])
  stop.abort()
  await watching
})

test('a node whose storage has failed does not lead again, whatever room it has', async () => {
  const world = new World()
  world.see('alive')
  const watching = world.watchSpace(new AbortController().signal)
  world.roomBytes = -1
  await world.pass(2)
  world.handOver.runOnceOthersCan()
  world.roomBytes = 1_000_000_000
  await world.pass(3)
  assert.ok(!world.did.includes('campaigns'))
  await watching
})
