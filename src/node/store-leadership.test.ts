import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { formatAddress, StoreLeadership } from './store-leadership.ts'

const SELF = 'a0'.repeat(16) as NodeId
const OTHER = 'b0'.repeat(16) as NodeId

class Terms {
  term: number | undefined
  leader: { id: string; address: string; epoch: number } | undefined
  #tell = (): void => {}
  onLeadership(tell: () => void) {
    this.#tell = tell
    return () => (this.#tell = () => {})
  }
  become(term: number | undefined, id?: NodeId): void {
    this.term = term
    this.leader = id === undefined ? undefined : { id, address: formatAddress({ host: '::1', port: 7402 }), epoch: term ?? 0 }
    this.#tell()
  }
}

async function settle(clock: ManualClock, ms = 0): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate()
  clock.advance(ms)
  for (let turn = 0; turn < 5; turn += 1) await setImmediate()
}

test('a node counts as leading when all that leading needs was prepared, and not before', async () => {
  const [store, clock] = [new Terms(), new ManualClock()]
  const leadership = new StoreLeadership({ store, nodeId: SELF, clock, log: silentLog })
  const seen: string[] = []
  leadership.onChange(() => seen.push(`${leadership.isLeading} ${leadership.leader()?.nodeId}`))
  let reading = Promise.withResolvers<void>()
  const read: number[] = []
  leadership.prepare(async () => {
    const { term = 0 } = store
    await reading.promise
    read.push(term)
  })
  leadership.start()
  store.become(undefined, OTHER)
  assert.deepEqual(leadership.leader(), { nodeId: OTHER, host: '::1', nodePort: 7402 })
  store.become(1, SELF)
  await settle(clock)
  // Nobody is sent here yet, and it says of nobody that he leads.
  assert.deepEqual([leadership.isLeading, leadership.leader()], [false, undefined])
  reading.reject(new Error('nothing can be read yet'))
  await settle(clock)
  assert.equal(leadership.isLeading, false)
  reading = Promise.withResolvers()
  reading.resolve()
  await settle(clock, 1_000)
  assert.deepEqual([leadership.isLeading, leadership.leader()?.nodeId, read], [true, SELF, [1]])
  store.become(undefined, OTHER)
  assert.equal(leadership.isLeading, false)
  store.become(3, SELF)
  assert.equal(leadership.isLeading, false)
  await settle(clock)
  assert.deepEqual([leadership.isLeading, read], [true, [1, 3]])
  assert.deepEqual(seen, [
    `false ${OTHER}`,
    'false undefined',
    `true ${SELF}`,
    `false ${OTHER}`,
    'false undefined',
    `true ${SELF}`,
  ])
  await leadership.stop()
})

test('a term that ends while leading is prepared is none', async () => {
  const [store, clock] = [new Terms(), new ManualClock()]
  const leadership = new StoreLeadership({ store, nodeId: SELF, clock, log: silentLog })
  const reading = Promise.withResolvers<void>()
  leadership.prepare(() => reading.promise)
  leadership.start()
  store.become(1, SELF)
  await settle(clock)
  store.become(undefined)
  reading.resolve()
  await settle(clock)
  assert.equal(leadership.isLeading, false)
  await leadership.stop()
})

test('a node that leaves does not count as leading, and says of nobody that he does, before its term is over', async () => {
  const [store, clock] = [new Terms(), new ManualClock()]
  const leadership = new StoreLeadership({ store, nodeId: SELF, clock, log: silentLog })
  leadership.start()
  store.become(1, SELF)
  await settle(clock)
  const seen: string[] = []
  leadership.onChange(() => seen.push(`${leadership.isLeading} ${leadership.leader()?.nodeId}`))
  leadership.leave()
  store.become(undefined, OTHER)
  assert.deepEqual(seen, ['false undefined', `false ${OTHER}`])
  await leadership.stop()
})
