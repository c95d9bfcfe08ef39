import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { openMemoryStore } from '#kv/memory.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { ClassDesk } from './class-desk.ts'
import { createClass, updateClass } from './classes.ts'
import { LayoutKeeper } from './layout-keeper.ts'
import type { StoreMember } from './layout-keeper.ts'
import { NodeSettings } from './node-settings.ts'
import { settleLayout } from './plan-layouts.ts'
import { SystemRecords } from './system-records.ts'
import type { LayoutName } from './system-view.ts'

const idOf = (number: number): NodeId => number.toString(16).padStart(32, '0') as NodeId

function member(number: number, fields: Partial<StoreMember> = {}): StoreMember {
  return { id: idOf(number), zone: `z${number}`, capacityBytes: 1e12, isHere: true, ...fields }
}

async function keeperOf(members: StoreMember[]) {
  const clock = new ManualClock()
  const removed = new Set<NodeId>()
  const isRemoved = (id: NodeId): boolean => removed.has(id)
  const records = await SystemRecords.open(openMemoryStore())
  const keeper = new LayoutKeeper({ records, members: () => members, isRemoved, clock, log: silentLog })
  return {
    clock,
    isRemoved,
    remove: (...numbers: number[]) => {
      for (const number of numbers) removed.add(idOf(number))
      members.splice(0, Infinity, ...members.filter(({ id }) => !removed.has(id)))
    },
    records,
    keeper,
    settings: new NodeSettings(records),
    copies: () => records.view.classes.get('default')?.copies,
    pair: (name: LayoutName) => {
      const pair = records.view.layouts.get(name)
      assert.ok(pair, `there is a layout ${name}`)
      return pair
    },
    holds(name: LayoutName, number: number): boolean {
      const { next } = this.pair(name)
      return next.assignment.some((index) => next.nodes[index]?.id === idOf(number))
    },
    /** As the tracker does once everything has moved. */
    async settle() {
      for (const [name, { next }] of records.view.layouts) {
        await records.change((view) => settleLayout(view, name, next.version))
      }
    },
  }
}

test('the default class gets a copy for each of the first three nodes, and keeps them when nodes go', async () => {
  const members = [member(1)]
  const world = await keeperOf(members)
  await world.keeper.look()
  assert.equal(world.copies(), 1)
  const { version } = world.records.view
  await world.keeper.look()
  assert.equal(world.records.view.version, version, 'what is as it should be is left alone')
  members.push(member(2), member(3), member(4))
  await world.keeper.look()
  assert.equal(world.copies(), 3)
  const { next, previous } = world.pair('3/1')
  assert.equal(next.nodes.length, 4)
  assert.equal(previous?.copies, 1, 'chunks are read where they were as long as they move')
  assert.ok(world.records.view.layouts.has('1/1'))
  await world.settle()
  await world.keeper.look()
  assert.deepEqual([...world.records.view.layouts.keys()], ['3/1'], 'a layout of no class goes once nothing moves any more')
  world.remove(2, 3, 4)
  await world.keeper.look()
  assert.equal(world.copies(), 3)
  assert.equal(world.pair('3/1').next.holdersEach, 1)
  const desk = new ClassDesk({ ...world, volumesOf: async () => [], changed: () => world.keeper.look(), freeBytes: () => 9 })
  assert.equal(desk.show('default').freeBytes, 9)
  assert.deepEqual(desk.show('default').placed, { copies: 1, zones: 1 })
  assert.ok(desk.show('default').isShort)
})

test('a node that is absent keeps its place for minutes, and a removed one not at all', async () => {
  const members = [1, 2, 3, 4].map((number) => member(number))
  const world = await keeperOf(members)
  await world.keeper.look()
  members[1] = member(2, { isHere: false })
  world.remove(4)
  await world.keeper.look()
  assert.deepEqual(
    [2, 3, 4].map((number) => world.holds('3/1', number)),
    [true, true, false],
  )
  world.clock.advance(299_000)
  await world.keeper.look()
  assert.ok(world.holds('3/1', 2))
  world.clock.advance(2_000)
  await world.keeper.look()
  assert.equal(world.holds('3/1', 2), false)
  members[1] = member(2)
  await world.keeper.look()
  assert.ok(world.holds('3/1', 2), 'one that comes back has its place again')
  members[1] = member(2, { isHere: false })
  world.clock.advance(1_000)
  await world.keeper.look()
  assert.ok(world.holds('3/1', 2), 'and a new grace')
})

test('a leader that has just begun doesn’t take nodes out that it hasn’t heard of yet', async () => {
  const members = [1, 2, 3].map((number) => member(number))
  const world = await keeperOf(members)
  await world.keeper.look()
  const successor = new LayoutKeeper({ ...world, members: () => [member(1)], log: silentLog })
  await successor.look()
  world.clock.advance(299_000)
  await successor.look()
  assert.ok(world.holds('3/1', 2))
  world.clock.advance(2_000)
  await successor.look()
  assert.equal(world.holds('3/1', 2), false)
})

test('a node that leads before it has heard that it was removed finds no place for itself', async () => {
  const members = [1, 2, 3, 4].map((number) => member(number))
  const world = await keeperOf(members)
  await world.keeper.look()
  await world.settings.set(idOf(4), { state: 'draining' })
  await world.keeper.look()
  await world.settings.remove(idOf(4))
  // It takes itself for a member, as before.
  const unaware = new LayoutKeeper({ ...world, members: () => members, isRemoved: () => false, log: silentLog })
  await unaware.look()
  assert.equal(world.holds('3/1', 4), false)
})

test('nodes get what was decided about them, and no node is better than none', async () => {
  const members = [1, 2, 3, 4].map((number) => member(number))
  const world = await keeperOf(members)
  await world.records.change((view) => createClass(view, 'single', { copies: 1 }))
  await world.settings.set(idOf(1), { weight: 2 })
  await world.settings.set(idOf(2), { state: 'draining' })
  await world.settings.set(idOf(3), { state: 'readonly' })
  await world.keeper.look()
  assert.equal(world.copies(), 2, 'what is taken out doesn’t count')
  const { next } = world.pair('1/1')
  const loads = next.loads()
  assert.deepEqual(
    next.nodes.map(({ id }, index) => [id, Math.round((3 * (loads[index] as number)) / next.partitions)]),
    [
      [idOf(1), 2],
      [idOf(4), 1],
    ],
  )
  for (const number of [1, 4]) await world.settings.set(idOf(number), { weight: 0 })
  await world.keeper.look()
  assert.equal(world.pair('1/1').next.version, next.version)
})

test('a readonly node keeps its place and as much of it, whatever becomes of the others', async () => {
  const members = [1, 2, 3, 4, 5].map((number) => member(number))
  const world = await keeperOf(members)
  await world.keeper.look()
  const first = world.pair('3/1').next
  await world.settings.set(idOf(2), { state: 'readonly' })
  await world.keeper.look()
  assert.equal(world.pair('3/1').next.version, first.version, 'nothing moves because of it')
  members[1] = member(2, { capacityBytes: 9e12 })
  await world.keeper.look()
  assert.equal(world.pair('3/1').next.version, first.version, 'nor because its disk has grown')
  const before = first.nodes.find(({ id }) => id === idOf(2))
  members.push(member(6))
  await world.settings.set(idOf(6), { state: 'readonly' })
  await world.settings.set(idOf(5), { weight: 0.5 })
  await world.keeper.look()
  const { next } = world.pair('3/1')
  assert.ok(next.version > first.version)
  assert.deepEqual(
    next.nodes.find(({ id }) => id === idOf(2)),
    before,
  )
  assert.equal(world.holds('3/1', 6), false, 'who has no place gets none')
  await world.settings.set(idOf(2), { weight: 0 })
  await world.keeper.look()
  assert.equal(world.holds('3/1', 2), false)
})

test('a second change while chunks move keeps where they came from, until the last one is settled', async () => {
  const members = [1, 2, 3, 4].map((number) => member(number))
  const world = await keeperOf(members)
  await world.keeper.look()
  const first = world.pair('3/1').next
  members.push(member(5))
  await world.keeper.look()
  const second = world.pair('3/1').next
  members.push(member(6))
  await world.keeper.look()
  const { next, previous } = world.pair('3/1')
  assert.deepEqual([previous?.version, next.version], [first.version, second.version + 1])
  await world.records.change((view) => settleLayout(view, '3/1', second.version))
  assert.ok(world.pair('3/1').isChanging, 'what was settled is not the latest')
  await world.records.change((view) => settleLayout(view, '3/1', next.version))
  assert.equal(world.pair('3/1').isChanging, false)
  members[0] = member(1, { capacityBytes: 1.05e12 })
  await world.keeper.look()
  assert.equal(world.pair('3/1').next.version, next.version, 'a disk that grows a little moves nothing')
  members[0] = member(1, { capacityBytes: 2e12 })
  await world.keeper.look()
  assert.equal(world.pair('3/1').next.version, next.version + 1)
})

test('a class that gets other copies is read where its chunks are, and keeps most of them', async () => {
  const world = await keeperOf([1, 2, 3, 4, 5, 6].map((number) => member(number)))
  await world.records.change((view) => createClass(view, 'archive', { copies: 2 }))
  await world.keeper.look()
  const two = world.pair('2/1').next
  await world.records.change((view) => updateClass(view, 'archive', { copies: 4, zones: 2 }))
  await world.keeper.look()
  const { next } = world.pair('4/2')
  assert.equal(next.holdersEach, 4)
  const kept = Array.from({ length: next.partitions }, (_, partition) => {
    return two.holdersOf(partition).filter((node) => next.holdersOf(partition).includes(node)).length
  })
  assert.ok(kept.every((count) => count >= 1))
  const all = kept.reduce((sum, count) => sum + count, 0)
  assert.ok(all > 1.9 * next.partitions, `${all} copies stay`)
})

test('a layout that no class has any more is without the nodes that are gone, too, and then gone itself', async () => {
  const members = [1, 2, 3, 4].map((number) => member(number))
  const world = await keeperOf(members)
  await world.keeper.look()
  await world.records.change((view) => updateClass(view, 'default', { copies: 2 }))
  await world.keeper.look()
  world.remove(4)
  await world.keeper.look()
  for (const name of ['3/1', '2/1'] as const) {
    assert.ok(!world.holds(name, 4), `${name} is without it`)
    assert.ok(world.pair(name).isChanging)
  }
  await world.settle()
  await world.keeper.look()
  assert.deepEqual([...world.records.view.layouts.keys()], ['2/1'])
})

test('it looks by itself until it is stopped, also after a failure', async () => {
  let isBroken = true
  const members = () => {
    if (isBroken) throw new Error('broken')
    return [member(1)]
  }
  const clock = new ManualClock()
  const records = await SystemRecords.open(openMemoryStore())
  const keeper = new LayoutKeeper({ records, members, isRemoved: () => false, clock, log: silentLog })
  keeper.start()
  const turn = () => new Promise((resolve) => void setImmediate(resolve))
  await turn()
  isBroken = false
  for (let round = 0; round < 5 && records.view.layouts.size === 0; round += 1) {
    clock.advance(1_000)
    await turn()
    await turn()
  }
  assert.equal(records.view.layouts.size, 1)
  await keeper.stop()
})
