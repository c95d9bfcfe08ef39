// A thread that digests streams: see `node-md5-threads.ts`.

import { createHash, type Hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { Md5Answer, Md5Request } from './node-md5-threads.ts'

const streams = new Map<number, Hash>()

parentPort?.on('message', (request: Md5Request) => {
  const { stream, kind } = request
  const hash = streams.get(stream) ?? createHash('md5')
  if (kind === 'update') {
    const { buffer, byteOffset, length } = request.bytes
    hash.update(new Uint8Array(buffer, byteOffset, length))
    streams.set(stream, hash)
    answer({ digest: undefined })
    return
  }
  streams.delete(stream)
  if (kind === 'digest') answer({ digest: hash.digest() })
})

function answer(message: Md5Answer): void {
  parentPort?.postMessage(message)
}
