import type { Log } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import type { RunningNode } from './start-node.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
/** Under npm a terminal's interrupt comes twice within a millisecond: from the terminal, and passed on by npm. No person
 *  is this quick. */
const ECHO_MS = 300

/** Resolves when the node has stopped because the process was told to. A second signal finds no handler any more, and so
 *  ends the process at once, as the system does by default. */
export function stopOnSignals(node: RunningNode, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    let isTold = false
    const stop = (signal: NodeJS.Signals) => {
      if (isTold) return
      isTold = true
      void nodeClock.sleep(ECHO_MS).then(() => {
        for (const name of SIGNALS) process.removeListener(name, stop)
      })
      log.info('told to stop', { signal })
      node.stop().then(resolve, reject)
    }
    for (const name of SIGNALS) process.on(name, stop)
  })
}
