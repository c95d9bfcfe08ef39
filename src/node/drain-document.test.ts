import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { LayoutName } from '#system/system-view.ts'
import { EMPTY_VIEW } from '#system/system-view.ts'
import type { TrackerMember } from '#tracker/ports.ts'
import { newTaskState, withCounts } from '#tracker/task-state.ts'
import type { TaskState } from '#tracker/task-state.ts'
import type { TaskStatus } from '#tracker/tracker.ts'
import { drainDocument } from './drain-document.ts'
import type { DrainedNode } from './drain-document.ts'

const [LEAVING, ONE, TWO, THREE] = ['1', '2', '3', '4'].map((digit) => digit.repeat(32) as NodeId) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
]
const WALKED = { ...newTaskState('drain'), finishedAtMs: 2_000, startedAtMs: 1_000 }

function task(state: TaskState, also: Partial<TaskStatus> = {}): TaskStatus {
  const fraction = state.isWalking ? 0.75 : state.finishedAtMs > 0 ? 1 : 0
  const progress = { fraction, chunksPerSecond: 1, bytesPerSecond: 1_000, chunksExpected: undefined, secondsLeft: 8 }
  return { state, activity: state.isWalking ? 'running' : 'idle', leftOut: [], progress, ...also }
}

function placed(ids: readonly NodeId[], copies: number): ReadonlyMap<LayoutName, LayoutPair> {
  const nodes = ids.map((id) => ({ id, zone: id, capacityBytes: 1, weight: 1 }))
  return new Map([[`${copies}/1` as LayoutName, new LayoutPair(computeLayout({ nodes, copies }))]])
}

const OTHERS: readonly TrackerMember[] = [ONE, TWO, THREE].map((id) => ({ id, state: 'alive' }))
const CLASSES = new Map([['default', { ...EMPTY_VIEW.classes.get('default')!, copies: 3 }]])
const DRAINED: DrainedNode = {
  id: LEAVING,
  usage: { chunks: 100, liveBytes: 10_000, storedBytes: 10_000, capacityBytes: undefined, freeBytes: undefined },
  tasks: [task(WALKED)],
  members: [{ id: LEAVING, state: 'draining' }, ...OTHERS],
  known: [{ id: ONE, state: 'alive', facts: { host: '10.0.0.1' } } as unknown as MemberView],
  view: { classes: CLASSES, layouts: placed([ONE, TWO, THREE], 3) },
}

test('what is left is what the walk has before it and what it has left behind; when all is done nothing is', () => {
  const walking = task(withCounts({ ...WALKED, isWalking: true }, { failed: 5 }))
  const { left, activity, bytesPerSecond, secondsLeft, chunks, bytes } = drainDocument({ ...DRAINED, tasks: [walking] })
  assert.deepEqual([left, chunks, bytes], [{ chunks: 30, bytes: 3_000 }, 100, 10_000])
  assert.deepEqual([activity, bytesPerSecond, secondsLeft], ['running', 1_000, 8])
  const never = drainDocument({ ...DRAINED, tasks: [task(newTaskState('drain'))] })
  assert.deepEqual([never.left?.chunks, never.bytesPerSecond, never.secondsLeft], [100, 0, null])
  const done = drainDocument(DRAINED)
  assert.deepEqual([done.left, done.hindrances], [{ chunks: 0, bytes: 0 }, []])
})

test('too few nodes for the copies of a class hinder a drain, and those that do not take any are named', () => {
  const leftOut = [{ why: 'there are too few other nodes to drain this one', times: 100 }]
  const stuck = task(withCounts(WALKED, { failed: 100 }), { leftOut })
  const members: TrackerMember[] = [
    { id: LEAVING, state: 'draining' },
    { id: ONE, state: 'dead' },
    { id: TWO, state: 'alive' },
    { id: THREE, state: 'full' },
  ]
  const { left, hindrances } = drainDocument({ ...DRAINED, tasks: [stuck], members })
  assert.equal(left?.chunks, 100)
  assert.deepEqual(hindrances, [
    'Class "default" asks for 3 copies, and 2 other nodes are there to have them: add a node, or let it ask for fewer ("shoal class update default --copies 2")',
    `Node ${ONE} at 10.0.0.1 is away`,
    `Node ${THREE} has no room`,
    'Left for later, 100 times: there are too few other nodes to drain this one',
  ])
})

test('a node whose storage has failed, a task that is paused, a node that is away, and a layout that is not settled are told', () => {
  const known = [{ id: ONE, state: 'storage-failed', facts: { host: '10.0.0.1' } } as unknown as MemberView]
  const members: TrackerMember[] = [...OTHERS.slice(1), { id: ONE, state: 'readonly' }]
  const stuck = task(withCounts(WALKED, { failed: 1 }), { activity: 'paused' })
  assert.deepEqual(drainDocument({ ...DRAINED, usage: undefined, tasks: [stuck], members, known }), {
    node: LEAVING,
    chunks: null,
    bytes: null,
    left: null,
    activity: 'paused',
    bytesPerSecond: 0,
    secondsLeft: null,
    hindrances: [
      'The task "drain" of the tracker is paused: "shoal tracker resume drain" lets it go on',
      'The node itself does not answer: what it has is not known',
      `Node ${ONE} at 10.0.0.1 takes no chunks, since its storage has failed`,
    ],
  })
  const view = { classes: CLASSES, layouts: placed([LEAVING, ONE, TWO, THREE], 3) }
  const rebalance = task({ ...newTaskState('rebalance'), isWalking: true })
  assert.deepEqual(drainDocument({ ...DRAINED, tasks: [task(WALKED), rebalance], view }).hindrances, [
    'Chunks move to the new layout first: 75 % of them have been looked at',
  ])
})
