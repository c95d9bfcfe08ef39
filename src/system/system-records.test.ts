import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { MemoryDisk, openMemoryStore } from '#kv/memory.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import { createClass, removeClass, updateClass } from './classes.ts'
import { NodeSettings } from './node-settings.ts'
import { SystemRecords } from './system-records.ts'
import { VERSION_KEY } from './system-rows.ts'
import { FIRST_DEFAULT_CLASS, classOf } from './system-view.ts'

const A = 'a'.repeat(32) as NodeId
const B = 'b'.repeat(32) as NodeId
const node = (id: NodeId) => ({ id, zone: 'z', capacityBytes: 1, weight: 1 })

const refused = (code: Parameters<typeof isShoalError>[1]) => (error: unknown) => isShoalError(error, code)

test('records outlive the process, and tell of each change once', async () => {
  const disk = new MemoryDisk()
  const records = await SystemRecords.open(openMemoryStore({ disk }))
  const seen: number[] = []
  const stop = records.onChange(({ version }) => seen.push(version))
  await records.change((view) => createClass(view, 'archive', { copies: 3, ack: 'all', zones: 2 }))
  await new NodeSettings(records).set(A, { state: 'draining' })
  const first = computeLayout({ nodes: [node(A)], copies: 3 })
  const pair = new LayoutPair(computeLayout({ nodes: [node(A), node(B)], copies: 3, previous: first }), first)
  await records.change(() => ({ layouts: new Map([['3/1', pair]]) }))
  assert.deepEqual(seen, [1, 2, 3])
  stop()
  await records.change((view) => removeClass(view, 'archive'))
  assert.equal(seen.length, 3)

  const again = await SystemRecords.open(openMemoryStore({ disk }))
  assert.equal(again.view.version, 4)
  assert.deepEqual([...again.view.classes.keys()], ['default'])
  assert.deepEqual(again.view.nodes.get(A), { state: 'draining', weight: 1 })
  const kept = again.view.layouts.get('3/1')
  assert.deepEqual(kept?.next.assignment, pair.next.assignment)
  assert.deepEqual(kept?.previous?.nodes, first.nodes)
  await again.change(() => ({ layouts: new Map([['3/1', pair.settled()]]) }))
  assert.equal(again.view.layouts.get('3/1')?.isChanging, false)
})

test('what others wrote to the store is seen after a refresh', async () => {
  const kv = openMemoryStore()
  const [mine, theirs] = [await SystemRecords.open(kv), await SystemRecords.open(kv)]
  await mine.change((view) => createClass(view, 'archive', { copies: 2 }))
  assert.equal(theirs.view.classes.has('archive'), false)
  await theirs.refresh()
  assert.equal(theirs.view.classes.get('archive')?.ack, 'quorum')
  await theirs.refresh()
})

test('the class "default" is always there, and grows until somebody says how many copies it has', async () => {
  const records = await SystemRecords.open(openMemoryStore())
  assert.deepEqual(classOf(records.view, 'default'), FIRST_DEFAULT_CLASS)
  assert.equal(classOf(records.view, 'gone').name, 'default')
  await assert.rejects(
    records.change((view) => removeClass(view, 'default')),
    refused('FORBIDDEN'),
  )
  await records.change((view) => updateClass(view, 'default', { ack: 'all' }))
  assert.equal(classOf(records.view, 'default').growsTo, 3)
  await records.change((view) => updateClass(view, 'default', { copies: 2 }))
  assert.deepEqual(classOf(records.view, 'default'), { ...FIRST_DEFAULT_CLASS, ack: 'all', copies: 2, growsTo: undefined })
})

test('a class that makes no sense, is there already or not there is refused, and nothing changes', async () => {
  const records = await SystemRecords.open(openMemoryStore())
  await records.change((view) => createClass(view, 'archive', { copies: 2 }))
  const attempts = [
    ['ALREADY_EXISTS', () => records.change((view) => createClass(view, 'archive', { copies: 2 }))],
    ['INVALID_ARGUMENT', () => records.change((view) => createClass(view, 'x', {}))],
    ['INVALID_ARGUMENT', () => records.change((view) => createClass(view, 'x', { copies: 2, zones: 3 }))],
    ['UNSUPPORTED', () => records.change((view) => createClass(view, 'x', { copies: 2, durability: 'relaxed' }))],
    ['NOT_FOUND', () => records.change((view) => updateClass(view, 'x', { copies: 2 }))],
    ['NOT_FOUND', () => records.change((view) => removeClass(view, 'x'))],
  ] as const
  for (const [code, attempt] of attempts) await assert.rejects(attempt(), refused(code))
  assert.equal(records.view.version, 1)
  for (let n = records.view.classes.size; n < 64; n += 1)
    await records.change((view) => createClass(view, `c${n}`, { copies: 1 }))
  await assert.rejects(
    records.change((view) => createClass(view, 'x', { copies: 1 })),
    refused('QUOTA_EXCEEDED'),
  )
})

test('what is decided about a node keeps what was not spoken of, and that it was removed is decided for good', async () => {
  const settings = new NodeSettings(await SystemRecords.open(openMemoryStore()))
  assert.deepEqual(await settings.set(A, { weight: 2.5 }), { state: 'active', weight: 2.5 })
  assert.deepEqual(await settings.set(A, { state: 'readonly' }), { state: 'readonly', weight: 2.5 })
  for (const change of [{ weight: -1 }, { weight: 1e6 }, { weight: Number.NaN }, { state: 'tired' as 'active' }]) {
    await assert.rejects(settings.set(A, change), refused('INVALID_ARGUMENT'))
  }
  assert.equal(settings.get().size, 1)
  await settings.remove(A)
  await settings.remove(B)
  for (const id of [A, B]) assert.deepEqual(settings.get().get(id), { state: 'draining', weight: 0, isDrained: true })
})

test('a draining node is drained once nothing is needed of it and no layout has it, until something else is decided', async () => {
  const kv = openMemoryStore()
  const records = await SystemRecords.open(kv)
  const settings = new NodeSettings(records)
  const isDrained = () => settings.get().get(A)?.isDrained
  await settings.markDrained(A)
  assert.equal(settings.get().size, 0, 'nobody has decided anything about it')
  await settings.set(A, { state: 'draining' })
  const both = computeLayout({ nodes: [node(A), node(B)], copies: 1 })
  const without = computeLayout({ nodes: [node(B)], copies: 1, previous: both })
  await records.change(() => ({ layouts: new Map([['1/1', new LayoutPair(without, both)]]) }))
  await settings.markDrained(A)
  assert.equal(isDrained(), undefined, 'chunks may still be read from it')
  await records.change(() => ({ layouts: new Map([['1/1', new LayoutPair(without)]]) }))
  await settings.markDrained(A)
  const { version } = records.view
  await settings.markDrained(A)
  assert.equal(records.view.version, version)
  assert.equal((await SystemRecords.open(kv)).view.nodes.get(A)?.isDrained, true)
  assert.deepEqual(await settings.set(A, { weight: 2 }), { state: 'draining', weight: 2, isDrained: true })
  await settings.set(A, { state: 'active' })
  assert.deepEqual(await settings.set(A, { state: 'draining' }), { state: 'draining', weight: 2 })
})

test('rows of a later version are refused rather than misread', async () => {
  const rows: [Buffer, string][] = [
    [Buffer.from('c\u0000x'), '{'],
    [Buffer.from('cx'), '{"copies":0}'],
    [Buffer.concat([Buffer.from('n'), Buffer.from(A, 'hex')]), '{"state":"tired","weight":1}'],
    [Buffer.from([0x6c, 3, 1, 0]), 'no layout'],
  ]
  for (const [rest, value] of rows) {
    const kv = openMemoryStore()
    await kv.transact((tx) => tx.put(Buffer.concat([VERSION_KEY.subarray(0, 9), rest]), Buffer.from(value)))
    await assert.rejects(SystemRecords.open(kv), refused('DATA_FORMAT'))
  }
})
