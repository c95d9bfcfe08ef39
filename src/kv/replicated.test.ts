import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeClock } from '#platform/node-clock.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import { openLmdbBase } from './lmdb.ts'
import { leadingFixture } from './replicated-fixture.suite.ts'
import { storeSuite } from './store.suite.ts'

storeSuite('replicated, over a log in memory,', () => {
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 30_000 })
  return leadingFixture(() => log.client({ clock: nodeClock }))
})

storeSuite('replicated, over a log in memory and LMDB,', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-replica-'))
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 30_000 })
  const fixture = await leadingFixture(
    () => log.client({ clock: nodeClock }),
    () => openLmdbBase(folder),
  )
  const dispose = async (): Promise<void> => {
    await fixture.dispose()
    await rm(folder, { recursive: true })
  }
  return { ...fixture, dispose }
})
