import { nodeClock } from '#platform/node-clock.ts'
import { MemoryLog } from '#sharedlog/memory.ts'
import { leadingFixture } from './replicated-fixture.suite.ts'
import { storeSuite } from './store.suite.ts'

storeSuite('replicated, over a log in memory,', () => {
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 500 })
  return leadingFixture(() => log.client({ clock: nodeClock }))
})
