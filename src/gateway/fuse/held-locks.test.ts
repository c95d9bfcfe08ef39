import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InodeId } from '#foundation/ids.ts'
import type { WantedLock } from './file-lock-service.ts'
import { LocksHeld } from './held-locks.ts'
import { InodeTable } from './inode-table.ts'

const table = new InodeTable({ mode: 0, gid: 0 })
const node = table.put(table.get(1), 'f', { inode: 7 as InodeId, mode: 0, gid: 0 })
const wanted: WantedLock = {
  inode: node.inode,
  family: 'posix',
  owner: 'a'.repeat(16),
  kind: 'write',
  start: 0n,
  end: 9n,
  pid: 1,
}
const at = (handle: number, term = { isAlive: true }) => ({ handle, term })

test('who has given up every range has nothing to lose, and who may have one has', () => {
  const held = new LocksHeld()
  const term = { isAlive: true }
  held.asked(node, wanted, at(1, term))
  held.given(node, wanted)
  held.asked(node, wanted, at(1, term))
  held.given(node, { ...wanted, start: 20n, end: 29n })
  held.givenUp(node, { ...wanted, kind: 'unlock' })
  term.isAlive = false
  assert.equal(held.isLost(node), true)
  held.givenUp(node, { ...wanted, kind: 'unlock', start: 20n, end: 40n })
  assert.equal(held.isLost(node), false)
  assert.equal(held.isEmpty, true)
})

test('a lock that was refused leaves those of the same owner, and of which nothing is known counts until the file is closed', () => {
  const held = new LocksHeld()
  held.asked(node, wanted, at(1))
  held.asked(node, wanted, at(2))
  held.given(node, { ...wanted, start: 50n, end: 59n })
  held.refused(node, wanted)
  assert.deepEqual(held.ofOwner(node, wanted.owner)?.ranges.length, 1)
  assert.deepEqual(
    [1, 3, 2].map((handle) => held.leave(node, handle).length),
    [0, 0, 1],
  )
  held.asked(node, wanted, at(1))
  held.givenUp(node, { ...wanted, kind: 'unlock', end: 100n })
  const rest = held.ofOwner(node, wanted.owner)
  assert.equal(rest?.unsure, 1)
  held.dropped(node, rest)
  assert.equal(held.isEmpty, true)
})

test('a flock that is refused another kind has been given up', () => {
  const held = new LocksHeld()
  const flock = { ...wanted, family: 'flock', kind: 'read' } as const
  held.asked(node, flock, at(1))
  held.given(node, flock)
  held.asked(node, flock, at(1))
  held.refused(node, { ...flock, kind: 'write' })
  assert.equal(held.isEmpty, true)
})
