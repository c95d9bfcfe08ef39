import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { faultyFiles } from '#platform/faulty-files.ts'
import type { Files } from '#platform/files.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { GroupCommitStore } from './group-commit-store.ts'
import type { GroupCommitOptions } from './group-commit.ts'
import { Journal } from './journal.ts'
import { JournaledBase } from './journaled-base.ts'
import { MemoryBase, MemoryDisk } from './memory.ts'
import { bytes, hasCode, numbered, show } from './store-fixture.suite.ts'
import type { KeyValueStore, Snapshot, Transaction } from './store.ts'
import { storeSuite } from './store.suite.ts'
import type { WriteSet } from './write-set.ts'

const SEGMENT_BYTES = 64 * 1024

interface Machine {
  readonly files: MemoryFiles
  readonly disk: MemoryDisk
  readonly clock: ManualClock
}

interface OpenOptions extends GroupCommitOptions {
  /** Before each commit of the base. */
  readonly onApply?: (writes: WriteSet) => Promise<void> | void
  /** Instead of the machine's. */
  readonly files?: Files
  readonly freeBytes?: () => number
}

async function open(machine: Machine, options: OpenOptions = {}): Promise<KeyValueStore> {
  const { files = machine.files, onApply, onCommit, freeBytes = () => 2 ** 40 } = options
  const opened = await Journal.open('/meta', { files, segmentBytes: SEGMENT_BYTES })
  const base = new MemoryBase(machine.disk, onApply)
  const journaled = new JournaledBase(base, { ...opened, clock: machine.clock, freeBytes: async () => freeBytes() })
  return new GroupCommitStore(journaled, { onCommit })
}

async function makeMachine(seed = 1): Promise<Machine> {
  const files = new MemoryFiles({ seed })
  await files.makeFolder('/meta')
  return { files, disk: new MemoryDisk(), clock: new ManualClock() }
}

const put = (store: KeyValueStore, key: string, value = 'v', options = {}): Promise<void> =>
  store.transact((transaction) => transaction.put(bytes(key), bytes(value)), options)
const everything = (store: KeyValueStore): Promise<string[]> => store.read((snapshot) => show(snapshot.range({})))
const keysOn = ({ disk }: Machine): string[] => [...disk.entries.entries()].map(([name]) => name).sort()

storeSuite('journaled memory', async () => {
  const machine = await makeMachine()
  let commits = 0
  const reopen = () => open(machine, { onCommit: () => (commits += 1) })
  let store = await reopen()
  return {
    store,
    commits: () => commits,
    async reopen() {
      await store.close()
      store = await reopen()
      return store
    },
    dispose: () => store.close(),
  }
})

test('what is acknowledged is in the journal, is read from there, and reaches the base a moment later', async () => {
  const machine = await makeMachine()
  const store = await open(machine)
  await put(store, 'a', '1')
  await store.transact((transaction) => transaction.delete(bytes('b')))
  assert.deepEqual(keysOn(machine), [])
  assert.deepEqual(await everything(store), ['a=1'])
  const kept = await store.openSnapshot()
  machine.clock.advance(1_000)
  await turn()
  await turn()
  assert.deepEqual(keysOn(machine), ['a'])
  await put(store, 'a', '2')
  assert.deepEqual(show(kept.range({})), ['a=1'])
  assert.deepEqual(await everything(store), ['a=2'])
  await store.close()
  assert.deepEqual(machine.disk.entries.get('a')?.value.toString(), '2')
})

test('what the base never got is there after a restart, and newer than what it has', async () => {
  const machine = await makeMachine()
  const store = await open(machine)
  await put(store, 'a', '1')
  machine.clock.advance(1_000)
  for (let at = 0; at < 4; at += 1) await turn()
  await put(store, 'a', '2')
  await put(store, 'b')
  machine.files.crash()
  const after = await open(machine)
  assert.deepEqual(await everything(after), ['a=2', 'b=v'])
  await after.close()
  assert.deepEqual(keysOn(machine), ['a', 'b'])
})

test('what asks to be written directly is in the base when it is acknowledged, and a restart brings back nothing older', async () => {
  const machine = await makeMachine()
  const store = await open(machine)
  await put(store, 'a', 'journaled')
  await put(store, 'a', 'direct', { direct: true })
  assert.deepEqual(machine.disk.entries.get('a')?.value.toString(), 'direct')
  await put(store, 'large', 'x'.repeat(SEGMENT_BYTES))
  assert.deepEqual(keysOn(machine), ['a', 'large'])
  machine.files.crash()
  const after = await open(machine)
  assert.equal((await after.get(bytes('a')))?.toString(), 'direct')
  await after.close()
})

test('a base without room refuses what comes next, keeps what was acknowledged, and takes it when there is room', async () => {
  const machine = await makeMachine()
  let isFull = false
  const refuse = (): void => {
    if (isFull) throw new ShoalError('NO_SPACE', 'The disk is full')
  }
  const store = await open(machine, { onApply: refuse })
  await put(store, 'a')
  isFull = true
  await assert.rejects(put(store, 'b', 'v', { direct: true }), hasCode('NO_SPACE'))
  await assert.rejects(put(store, 'c'), hasCode('NO_SPACE'))
  assert.deepEqual(await everything(store), ['a=v'])
  machine.files.crash()
  const after = await open(machine, { onApply: refuse })
  assert.deepEqual(await everything(after), ['a=v'])
  await assert.rejects(put(after, 'd'), hasCode('NO_SPACE'))
  isFull = false
  await put(after, 'e')
  assert.deepEqual(await everything(after), ['a=v', 'e=v'])
  await after.close()
  assert.deepEqual(keysOn(machine), ['a', 'e'])
})

test('short of room, the base gets little at a time, and nothing where it would not fit', async () => {
  const machine = await makeMachine()
  const store = await open(machine)
  await store.transact((transaction) => {
    for (const name of numbered(1_000)) transaction.put(bytes(name), bytes('v'))
  })
  machine.files.crash()
  const sizes: number[] = []
  let freeBytes = 1024 * 1024
  const after = await open(machine, { onApply: ({ size }) => void sizes.push(size), freeBytes: () => freeBytes })
  await assert.rejects(put(after, 'a'), hasCode('NO_SPACE'))
  assert.equal((await everything(after)).length, 1_000)
  assert.deepEqual(sizes, [])
  freeBytes = 8 * 1024 * 1024
  await put(after, 'a')
  assert.deepEqual(sizes, [256, 256, 256, 232])
  assert.equal((await everything(after)).length, 1_001)
  await after.close()
})

test('a journal without room refuses what comes next, and goes on when there is room', async () => {
  const machine = await makeMachine()
  let isFull = false
  const files = faultyFiles(machine.files, (operation) => (isFull && operation === 'write' ? 'short-no-space' : undefined))
  const store = await open(machine, { files })
  await put(store, 'a', '1')
  isFull = true
  await assert.rejects(put(store, 'b'), hasCode('NO_SPACE'))
  await assert.rejects(put(store, 'b', 'v', { direct: true }), hasCode('NO_SPACE'))
  isFull = false
  await put(store, 'a', '2', { direct: true })
  await put(store, 'c')
  machine.files.crash()
  const after = await open(machine)
  assert.deepEqual(await everything(after), ['a=2', 'c=v'])
  await after.close()
})

test('when the base or the journal fails, nothing more is acknowledged', async () => {
  const machine = await makeMachine()
  const onApply = (): void => {
    throw new Error('EIO')
  }
  const broken = await open(machine, { onApply })
  await put(broken, 'a')
  machine.clock.advance(1_000)
  for (let at = 0; at < 4; at += 1) await turn()
  await assert.rejects(put(broken, 'b'), hasCode('STORAGE_FAILED'))
  assert.deepEqual(await everything(broken), ['a=v'])
  machine.files.crash()
  const store = await open(machine)
  machine.files.cutPowerAfter(0)
  await assert.rejects(put(store, 'c'), hasCode('STORAGE_FAILED'))
  await assert.rejects(put(store, 'd'), hasCode('STORAGE_FAILED'))
  machine.files.crash()
  const after = await open(machine)
  assert.equal((await everything(after))[0], 'a=v')
  await after.close()
})

test('a journal that lacks what was acknowledged is refused', async () => {
  const machine = await makeMachine()
  // The base is never done: the first file stays needed while the second fills.
  const store = await open(machine, { onApply: () => new Promise(() => {}) })
  for (let at = 0; at < 12; at += 1) await put(store, `k${at}`, 'x'.repeat(5_000))
  machine.files.damage('/meta/journal.0', 8_200)
  machine.files.crash()
  await assert.rejects(open(machine), (error) => isShoalError(error, 'STORAGE_FAILED') && error.message.includes('damaged'))
})

const asText = (value: Buffer): string => value.toString('latin1')

test('a decoded row is neither older nor newer than the row, at any moment of what is journaled, applied or written directly', async () => {
  let checks = 0
  for (let seed = 1; seed <= 30; seed += 1) {
    const machine = await makeMachine(seed)
    const random = new SeededRandom(seed)
    let isOver = false
    const onApply = async (): Promise<void> => {
      for (let turns = random.below(4); turns > 0; turns -= 1) await turn()
      if (random.chance(0.05)) throw new ShoalError('NO_SPACE', 'The disk is full')
    }
    const store = await open(machine, { onApply })
    const compare = (snapshot: Snapshot): void => {
      for (let number = 0; number < 6; number += 1) {
        const key = bytes(`k${number}`)
        assert.equal(snapshot.getDecoded(key, asText), snapshot.get(key)?.toString('latin1'))
        checks += 1
      }
    }
    const writer = async (): Promise<void> => {
      for (let step = 0; step < 60; step += 1) {
        const change = (transaction: Transaction): void => {
          compare(transaction)
          const key = bytes(`k${random.below(6)}`)
          if (random.chance(0.3)) transaction.delete(key)
          else transaction.put(key, bytes(`${seed}-${step}`))
          compare(transaction)
        }
        await store.transact(change, { direct: random.chance(0.15) }).catch(() => undefined)
        if (random.chance(0.4)) machine.clock.advance(1_000)
        if (random.chance(0.5)) await turn()
      }
    }
    const reader = async (): Promise<void> => {
      for (; !isOver; await turn()) await store.read(compare)
    }
    const reading = reader()
    await Promise.all([writer(), writer()])
    isOver = true
    await reading
    await store.close()
  }
  assert.ok(checks > 50_000, `only ${checks} rows were compared`)
})

/** Numbered transactions of several rows under a crash at any moment: a run, and what has to hold after it. */
async function crashOnce(machine: Machine, random: SeededRandom, first: number): Promise<number> {
  const store = await open(machine, random.chance(0.5) ? { onApply: () => turn() } : {})
  let acknowledged = first - 1
  let next = first
  machine.files.cutPowerAfter(random.below(60))
  const clients = Array.from({ length: 3 }, async () => {
    for (let step = 0; step < 25; step += 1) {
      const number = next
      next += 1
      const direct = random.chance(0.05)
      await store.transact(
        (transaction) => {
          transaction.put(bytes('last'), bytes(String(number)))
          transaction.put(bytes(`n${number % 7}`), bytes(String(number)))
          transaction.put(bytes(`r${number % 11}`), bytes('x'.repeat(random.below(random.chance(0.02) ? 80_000 : 6_000))))
          if (number % 3 === 0) transaction.delete(bytes(`n${(number + 3) % 7}`))
        },
        { direct },
      )
      acknowledged = Math.max(acknowledged, number)
      if (random.chance(0.2)) machine.clock.advance(1_000)
    }
  })
  await Promise.allSettled(clients)
  machine.files.crash()
  const after = await open(machine)
  const last = Number((await after.get(bytes('last'))) ?? 0)
  assert.ok(last >= acknowledged, `${acknowledged} was acknowledged, and ${last} is the last there is`)
  // The rows are those of all transactions up to the last one, and of none after it.
  const expected = new Map<string, string>()
  for (let number = 1; number <= last; number += 1) {
    expected.set(`n${number % 7}`, String(number))
    if (number % 3 === 0) expected.delete(`n${(number + 3) % 7}`)
  }
  const rows = (await everything(after)).filter((row) => row.startsWith('n'))
  assert.deepEqual(rows, [...expected].map(([key, value]) => `${key}=${value}`).sort())
  if (random.chance(0.5)) await after.close()
  else machine.files.crash()
  return last
}

test('after a power loss at any moment every acknowledged transaction is there, and each is there whole or not at all', async () => {
  for (let seed = 1; seed <= 120; seed += 1) {
    const machine = await makeMachine(seed)
    const random = new SeededRandom(seed)
    let last = 0
    for (let round = 0; round < 6; round += 1) last = await crashOnce(machine, random, last + 1)
    assert.ok(last > 10, `only ${last} transactions were run`)
  }
})

test('a change waits until what was promised is over, and nothing is promised that a change would wait long for', async () => {
  const machine = await makeMachine()
  const { clock } = machine
  const store = await open(machine)
  await put(store, 'a', '1')
  assert.equal(store.promiseQuiet?.(), 0)
  clock.advance(100)
  assert.equal(store.promiseQuiet?.(), 10)
  clock.advance(1_000)
  assert.equal(store.promiseQuiet?.(), 20)
  clock.advance(15)
  let isDone = false
  const change = put(store, 'a', '2').then(() => (isDone = true))
  for (let turns = 0; turns < 10; turns += 1) await turn()
  // No further promise may hold it up.
  assert.equal(store.promiseQuiet?.(), 0)
  clock.advance(4)
  for (let turns = 0; turns < 10; turns += 1) await turn()
  assert.deepEqual([isDone, await everything(store)], [false, ['a=1']])
  clock.advance(1)
  await change
  assert.deepEqual(await everything(store), ['a=2'])
  clock.advance(1_000)
  assert.equal(store.promiseQuiet?.(), 20)
  const closing = store.close()
  assert.equal(store.promiseQuiet?.(), 0)
  clock.advance(20)
  await closing
})
