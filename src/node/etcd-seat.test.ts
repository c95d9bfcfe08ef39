import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EtcdPlace } from '#etcd/etcd-flags.ts'
import { peerUrlOf } from '#etcd/etcd-flags.ts'
import type { EtcdMember } from '#etcd/etcd-member.ts'
import type { EtcdState } from '#etcd/etcd-supervisor.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { EtcdSeat } from './etcd-seat.ts'

const PLACE: EtcdPlace = {
  ...{ nodeId: 'one' as NodeId, clusterId: 'cluster', listenHost: '10.0.0.1', host: '10.0.0.1' },
  ...{ clientPort: 7404, peerPort: 7405 },
}
const OTHER: EtcdMember = {
  ...{ id: '2', name: 'two', peerUrls: ['http://10.0.0.2:7405'], clientUrls: ['http://10.0.0.2:7404'] },
  role: 'voter',
}
/** Added, and not yet started. */
const NEWCOMER: EtcdMember = { id: '3', name: '', peerUrls: [peerUrlOf(PLACE)], clientUrls: [], role: 'learner' }

async function settled(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate)
}

class Fixture {
  readonly clock = new ManualClock()
  readonly done: string[] = []
  /** What it warned of. */
  readonly warnings: string[] = []
  readonly log = { ...silentLog, warn: (message: string) => this.warnings.push(message) } as unknown as Log
  /** `undefined` while etcd doesn't answer. */
  members: readonly EtcdMember[] | undefined
  isWithoutQuorum = false
  /** Its supervisor knows that others know it. */
  hasBegun = false
  state: EtcdState = { kind: 'stopped' }
  hasData: boolean

  constructor({ members, hasData }: { members: readonly EtcdMember[] | undefined; hasData: boolean }) {
    this.members = members
    this.hasData = hasData
  }

  async start(): Promise<EtcdSeat> {
    const state = (): EtcdState => this.state
    const seat = new EtcdSeat({
      ...{ place: PLACE, clock: this.clock, log: this.log, isFounder: false },
      members: {
        list: async () => this.members ?? Promise.reject(new ShoalError('UNAVAILABLE', 'It is silent')),
        update: async () => {},
        remove: async (id) => {
          if (this.isWithoutQuorum) throw new ShoalError('UNAVAILABLE', 'Too few answer')
          this.done.push(`remove ${id}`)
          this.members = this.members?.filter((member) => member.id !== id)
        },
      },
      onVoters: async () => {},
      supervisor: {
        get state() {
          return state()
        },
        hasData: async () => this.hasData,
        begun: () => void (this.hasBegun = true),
        start: async (_place, beginning) => {
          this.done.push(beginning === 'resume' ? 'resume' : 'join')
          this.state = { kind: 'running', pid: 1, sinceMs: 0, restarts: 0 }
          this.hasData = true
        },
        stop: async () => {
          this.state = { kind: 'stopped' }
        },
        forget: async () => {
          this.done.push('forget')
          this.hasData = false
        },
      },
    })
    await seat.start()
    await settled()
    return seat
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.clock.advance(1_000)
      await settled()
    }
  }

  async end(seat: EtcdSeat): Promise<void> {
    const stopping = seat.stop()
    this.clock.advance(1_000)
    await stopping
  }
}

test('a member that was removed is forgotten, and joins as a new one, also when it was added again before it noticed', async () => {
  const it = new Fixture({ members: [OTHER], hasData: true })
  const seat = await it.start()
  it.members = [OTHER, NEWCOMER]
  it.state = { kind: 'ended', restarts: 3, waitMs: 2_000, reason: 'exit code 0' }
  await it.pass(2)
  assert.deepEqual(it.done, ['resume'])
  await it.pass(6)
  assert.deepEqual(it.done, ['resume', 'forget', 'join'])
  await it.pass(10)
  assert.deepEqual(it.done, ['resume', 'forget', 'join'])
  await it.end(seat)
})

test('a member that is listed, or runs and has not said its name yet, keeps what it has', async () => {
  const it = new Fixture({ members: [OTHER, NEWCOMER], hasData: false })
  const seat = await it.start()
  await it.pass(10)
  assert.equal(it.hasBegun, false)
  it.members = [OTHER, { ...NEWCOMER, name: 'one' }]
  it.state = { kind: 'ended', restarts: 3, waitMs: 2_000, reason: 'signal SIGKILL' }
  await it.pass(10)
  assert.deepEqual(it.done, ['join'])
  assert.equal(it.hasBegun, true)
  await it.end(seat)
})

test('a newcomer that ended once and is slow to say its name keeps what it has, as long as it is the same member', async () => {
  const it = new Fixture({ members: [OTHER, NEWCOMER], hasData: false })
  const seat = await it.start()
  // As it does when the member that it asks has not heard of it yet.
  it.state = { kind: 'running', pid: 2, sinceMs: 0, restarts: 1 }
  await it.pass(20)
  assert.deepEqual(it.done, ['join'])
  it.members = [OTHER, { ...NEWCOMER, id: '4' }]
  await it.pass(8)
  assert.deepEqual(it.done, ['join', 'forget', 'join'])
  await it.end(seat)
})

test('an etcd that does not answer is told of once, after half a minute', async () => {
  const it = new Fixture({ members: undefined, hasData: false })
  const seat = await it.start()
  await it.pass(25)
  assert.deepEqual(it.warnings, [])
  await it.pass(40)
  assert.equal(it.warnings.length, 1)
  it.members = [OTHER, NEWCOMER]
  await it.pass(2)
  assert.deepEqual(it.done, ['join'])
  await it.end(seat)
})

test('a member whose data is gone is removed, and joins as a new one: nobody else would do that where all nodes vote', async () => {
  const own: EtcdMember = { ...NEWCOMER, name: 'one', role: 'voter' }
  for (const state of [{ kind: 'stopped' }, { kind: 'ended', restarts: 3, waitMs: 2_000, reason: 'exit code 1' }] as const) {
    const it = new Fixture({ members: [OTHER, own], hasData: state.kind === 'ended' })
    it.isWithoutQuorum = true
    const seat = await it.start()
    it.hasData = false
    it.state = state
    await it.pass(5)
    assert.deepEqual(
      it.done.filter((step) => step !== 'forget' && step !== 'resume'),
      [],
    )
    it.isWithoutQuorum = false
    await it.pass(2)
    assert.equal(it.done.at(-1), 'remove 3')
    it.members = [OTHER, { ...NEWCOMER, id: '4' }]
    await it.pass(2)
    assert.equal(it.done.at(-1), 'join')
    await it.end(seat)
  }
})

test('a member that runs keeps its seat, whatever has become of its files', async () => {
  const it = new Fixture({ members: [OTHER, { ...NEWCOMER, name: 'one', role: 'voter' }], hasData: true })
  const seat = await it.start()
  it.hasData = false
  await it.pass(10)
  assert.deepEqual(it.done, ['resume'])
  await it.end(seat)
})
