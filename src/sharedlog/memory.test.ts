import { nodeClock } from '#platform/node-clock.ts'
import { logSuite } from './log.suite.ts'
import { MemoryLog } from './memory.ts'

logSuite('memory', async () => {
  const leaseMs = 1_000
  const log = new MemoryLog({ clock: nodeClock, leaseMs })
  return { connect: () => log.client({ clock: nodeClock }), leaseMs, dispose: async () => {} }
})
