import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** From now on no thread of this process takes the processor from another one just because it is woken up: it waits until that one waits, or its
 *  turn is over (SCHED_BATCH of sched(7)). Its share of the processors stays what it was. More requests are there together then, and fewer caches
 *  are lost between them; where processors have nothing to do nothing changes. Threads that it starts later are so too; children of `NodeProcesses` are not.
 *
 *  By chrt(1) of util-linux; without it, and on other systems than Linux, nothing happens. */
export async function waitForTurns(): Promise<void> {
  if (process.platform !== 'linux') return
  await run('chrt', ['--all-tasks', '--batch', '--pid', '0', String(process.pid)]).catch(() => undefined)
}
