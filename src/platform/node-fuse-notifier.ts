// A worker thread: see `node-fuse-device.ts`. It writes messages that the kernel may hold up. Its first message, without outcomes, says that it
// may be ended.
import { parentPort, workerData } from 'node:worker_threads'
import { write } from './node-libc.ts'

const { fd } = workerData as { readonly fd: number }

parentPort?.on('message', (messages: readonly Uint8Array[]) => {
  const outcomes = messages.map((message) => {
    const written = write(fd, message)
    return typeof written === 'string' ? written : ''
  })
  parentPort?.postMessage(outcomes)
})
parentPort?.postMessage([])
