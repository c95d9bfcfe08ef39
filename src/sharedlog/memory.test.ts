import { nodeClock } from '#platform/node-clock.ts'
import { logSuite } from './log.suite.ts'
import { MemoryLog } from './memory.ts'

logSuite('memory', async () => {
  const log = new MemoryLog({ clock: nodeClock, leaseMs: 200 })
  return { connect: () => log.client({ clock: nodeClock }), failoverMs: 300, dispose: async () => {} }
})
