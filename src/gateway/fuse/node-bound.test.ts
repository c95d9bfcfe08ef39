import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { openFixture } from '#volume/volume-fixture.suite.ts'
import { InodeTable, type MountedNode, ROOT_NODE } from './inode-table.ts'
import { mounted, noMounts } from './mounted.suite.ts'
import { MountedVolume } from './mounted-volume.ts'
import { NodeBound } from './node-bound.ts'
import type { Notification } from './protocol/notifications.ts'
import { volumeOperations } from './volume-operations.ts'

const FILE = 0o100644
const DIRECTORY = 0o040755

/** A kernel that forgets what it is told to, but for what is in use. */
function world({ knownMax, isOld = false }: { readonly knownMax: number; readonly isOld?: boolean }) {
  const table = new InodeTable({ mode: DIRECTORY, gid: 0 })
  const clock = { sleep: () => Promise.resolve() }
  const bound = new NodeBound({ table, clock, log: silentLog, knownMax })
  const used = new Set<number>()
  const told: Notification[] = []
  const notify = async (notification: Notification): Promise<void> => {
    told.push(notification)
    if (notification.kind === 'prune' && isOld) throw new ShoalError('STORAGE_FAILED', 'EINVAL')
    const nodes =
      notification.kind === 'prune'
        ? notification.nodeIds
        : notification.kind === 'entry'
          ? [table.at(table.get(notification.parentId), notification.name)?.nodeId ?? 0]
          : []
    for (const nodeId of nodes) if (!used.has(nodeId)) table.forget(nodeId, 1)
  }
  let lastInode = 1
  const look = (count: number, mode = FILE): MountedNode[] =>
    Array.from({ length: count }, () => {
      lastInode += 1
      const inode = lastInode as InodeId
      const node = table.put(table.get(ROOT_NODE), `f${inode}`, { inode, mode, gid: 0 })
      table.lookedUp(node)
      bound.grown(notify)
      return node
    })
  /** Until nothing more is told. */
  const quiet = async (): Promise<void> => {
    for (let count = -1; count !== told.length;) {
      count = told.length
      await nodeClock.sleep(5)
    }
  }
  /** Inodes 2 to `count` + 1, one after the other; what isn't known is looked up. */
  const walk = async (count: number): Promise<{ readonly missing: number }> => {
    let missing = 0
    for (let inode = 2; inode < count + 2; inode += 1) {
      if (table.find(inode as InodeId) === undefined) {
        missing += 1
        lastInode = inode - 1
        look(1)
        await Promise.resolve()
      }
    }
    await quiet()
    return { missing }
  }
  return { table, look, walk, quiet, used, told }
}

test('beyond its bound the kernel is told to forget some from all over the table', async () => {
  const { table, look, quiet } = world({ knownMax: 1600 })
  const first = look(1600)
  const last = look(1000)
  await quiet()
  assert.ok(table.size > 900 && table.size <= 1600, String(table.size))
  const known = (nodes: readonly MountedNode[]): number => nodes.filter(({ inode }) => table.find(inode) !== undefined).length
  assert.ok(known(first) > 400 && known(first) < 1400, String(known(first)))
  assert.ok(known(last) > 300, String(known(last)))
})

test('who walks over a little more than the bound again and again finds most of it known', async () => {
  const { table, quiet, walk } = world({ knownMax: 1600 })
  for (let round = 0; round < 3; round += 1) {
    const { missing } = await walk(1700)
    assert.ok(round === 0 || missing < 850, `${missing} of 1700`)
  }
  await quiet()
  assert.ok(table.size <= 1600, String(table.size))
})

test('what is open, or in use in the kernel, stays, and is not asked for again and again', async () => {
  const { table, look, quiet, used, told } = world({ knownMax: 200 })
  const kept = [...look(90), ...look(50)]
  for (const node of kept.slice(0, 90)) used.add(node.nodeId)
  for (const node of kept.slice(90)) node.opens += 1
  look(100)
  await quiet()
  assert.ok(table.size <= 188, String(table.size))
  assert.ok(kept.every(({ inode }) => table.find(inode) !== undefined))
  for (const node of [...table.each(), ...look(100)]) used.add(node.nodeId)
  await quiet()
  const before = told.length
  look(3)
  await quiet()
  assert.equal(told.length, before)
  for (const node of look(100)) used.add(node.nodeId)
  await quiet()
  assert.ok(told.length < before + 40, String(told.length - before))
})

test('a kernel that can not forget when told drops the names of files, and never those of directories', async () => {
  const { table, look, quiet, told } = world({ knownMax: 100, isOld: true })
  const directories = look(40, DIRECTORY)
  look(200)
  await quiet()
  assert.ok(table.size <= 100, String(table.size))
  assert.ok(directories.every(({ inode }) => table.find(inode) !== undefined))
  assert.equal(told.filter(({ kind }) => kind === 'prune').length, 1)
})

test(
  'a mount that has shown many files forgets most of them, and shows them again',
  { skip: noMounts, timeout: 30_000 },
  async (t) => {
    const { volume } = await openFixture({ clock: nodeClock as never })
    const by = { principal: 'tester' }
    const state = await MountedVolume.open({
      volume,
      caller: by,
      clock: nodeClock,
      random: nodeRandom,
      log: silentLog,
      knownMax: 100,
    })
    for (let at = 0; at < 1000; at += 1) {
      const path = [`d${Math.floor(at / 100)}`, `f${at}`]
      await volume.writeFile(path, Buffer.from(String(at)), { caller: by, createParents: true })
    }
    const { sh, mount } = await mounted(t, volumeOperations(state))
    state.notify = (notification) => mount.notify(notification)
    state.coherence.isTold = true
    const walks = await sh(
      'cd d0; exec 3< f7; for i in 1 2; do find .. -type f -printf "%s\\n" | wc -l; done; cat <&3; pwd | grep -c d0; cat ../d9/f999',
    )
    assert.equal(walks, '1000\n1000\n71\n999')
    for (let tries = 0; state.table.size > 100 && tries < 100; tries += 1) await nodeClock.sleep(20)
    assert.ok(state.table.size <= 100, String(state.table.size))
  },
)
