import type { Log } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { SIGNAL_ECHO_MS } from '#platform/signal-echo.ts'
import type { RunningNode } from './start-node.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
/** Resolves when the node has stopped because the process was told to. A second signal finds no handler any more, and so
 *  ends the process at once, as the system does by default. Rejects when it has stopped because it can't go on, with the reason. */
export function stopOnSignals(node: RunningNode, log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    let isTold = false
    const stop = (signal: NodeJS.Signals) => {
      if (isTold) return
      isTold = true
      void nodeClock.sleep(SIGNAL_ECHO_MS).then(() => {
        for (const name of SIGNALS) process.removeListener(name, stop)
      })
      log.info('told to stop', { signal })
      node.stop().then(resolve, reject)
    }
    for (const name of SIGNALS) process.on(name, stop)
    const expel = () => {
      const { reason } = node.expelled as { reason: Error }
      log.error('cannot go on', { why: reason.message })
      node.stop().then(() => reject(reason), reject)
    }
    if (node.expelled.aborted) expel()
    else node.expelled.addEventListener('abort', expel, { once: true })
  })
}
