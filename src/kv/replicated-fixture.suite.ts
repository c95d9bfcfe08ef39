import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { SharedLog } from '#sharedlog/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import type { CommitBase } from './commit-base.ts'
import { MemoryBase, MemoryDisk } from './memory.ts'
import { ReplicatedStore } from './replicated.ts'
import type { ReplicatedStoreOptions } from './replicated-options.ts'
import type { StoreFixture } from './store-fixture.suite.ts'

/** A replica in memory, on the clock of the machine. */
export function openReplica(
  id: string,
  options: { log: SharedLog; disk?: MemoryDisk } & Partial<ReplicatedStoreOptions>,
): ReplicatedStore {
  const { disk = new MemoryDisk(), base = new MemoryBase(disk) } = options
  const candidate = { id, address: `${id}:7402` }
  return new ReplicatedStore({ clock: nodeClock, random: nodeRandom, candidate, ...options, base })
}

export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const endMs = Date.now() + 10_000; !(await isSo()); await delay(2))
    assert.ok(Date.now() < endMs, `not within 10 s: ${what}`)
}

/** A store that leads by itself, over any log and base. */
export async function leadingFixture(connect: () => SharedLog, openBase?: () => Promise<CommitBase>): Promise<StoreFixture> {
  const disk = new MemoryDisk()
  let commits = 0
  const open = async (): Promise<{ log: SharedLog; store: ReplicatedStore }> => {
    const log = connect()
    const base = (await openBase?.()) ?? new MemoryBase(disk)
    const store = openReplica('one', { log, base, onCommit: () => (commits += 1) })
    await until(() => store.isLeading, 'it leads')
    return { log, store }
  }
  let current = await open()
  const close = async (): Promise<void> => {
    await current.store.close()
    await current.log.close()
  }
  return {
    store: current.store,
    commits: () => commits,
    async reopen() {
      await close()
      current = await open()
      return current.store
    },
    dispose: close,
  }
}
