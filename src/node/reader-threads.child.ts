// A node with reader threads in a process of its own, until it is killed: reader-threads.child.ts DATA [crash]. It prints where
// S3 is. With `crash` its first reader thread has a defect soon after it has begun.
import { silentLog } from '#observe/log.ts'
import { BusyThreads, startBusyNode } from './reader-threads.suite.ts'

class CrashingThreads extends BusyThreads {
  override start(...[, data, events]: Parameters<BusyThreads['start']>): ReturnType<BusyThreads['start']> {
    return super.start(new URL('./crashing-reader.child.ts', import.meta.url), data, events)
  }
}

const [data = '', crash] = process.argv.slice(2)
const threads = crash === undefined ? new BusyThreads() : new CrashingThreads()
const node = await startBusyNode({ data }, { threads, log: silentLog })
process.stdout.write(`${node.s3Url}\n`)
