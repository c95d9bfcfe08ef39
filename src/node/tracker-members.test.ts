import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import type { MemberView } from '#membership/member.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { LayoutName } from '#system/system-view.ts'
import { trackerMembers } from './tracker-members.ts'

const [HERE, FAILED, LEAVING] = ['1', '2', '3'].map((digit) => digit.repeat(32) as NodeId) as [NodeId, NodeId, NodeId]

test('a node whose storage has failed keeps what it has and gets nothing more; one that is draining is drained all the same', () => {
  const nodes = [HERE, FAILED, LEAVING].map((id) => ({ id, zone: id, capacityBytes: 1, weight: 1 }))
  const view = {
    layouts: new Map([['3' as LayoutName, new LayoutPair(computeLayout({ nodes, copies: 3 }))]]),
    nodes: new Map([[LEAVING, { state: 'draining' as const, weight: 1 }]]),
  }
  const members = [HERE, FAILED, LEAVING].map(
    (id) =>
      ({
        id,
        liveness: 'alive',
        facts: { roles: ['store'], capacityBytes: 10, usedBytes: 4, mode: id === HERE ? 'active' : 'storage-failed' },
      }) as unknown as MemberView,
  )
  assert.deepEqual(trackerMembers({ members: () => members, removed: new Set() }, view), [
    { id: HERE, state: 'alive', freeBytes: 6 },
    { id: FAILED, state: 'readonly', freeBytes: 6 },
    { id: LEAVING, state: 'draining', freeBytes: 6 },
  ])
})
