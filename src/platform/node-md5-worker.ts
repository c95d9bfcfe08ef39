// A thread that digests streams: see `node-md5-threads.ts`.

import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { Md5Lanes } from './md5-lanes.ts'
import type { Md5Stream } from './md5-lanes.ts'
import type { Md5Answer, Md5Request } from './node-md5-threads.ts'

const NOTHING = new Uint8Array(0)

const port = parentPort as MessagePort
const lanes = new Md5Lanes()
const streams = new Map<number, Md5Stream>()

/** Together they are digested at more than twice the pace of one. */
const WORTHWHILE_STREAMS = 4
/** So long the bytes of fewer wait for those of others, unless it is the end of a stream. */
const GATHER_MS = 20
let gathering: NodeJS.Timeout | undefined
/** Digests that somebody waits for. */
let wanted = 0

port.on('message', (request: Md5Request) => {
  take(request)
  digest(() => wanted > 0 || lanes.waiting >= Math.min(WORTHWHILE_STREAMS, streams.size))
})

/** Streams whose bytes come meanwhile join in. */
function digest(isWorthwhile: () => boolean): void {
  while (isWorthwhile() && lanes.turn()) {
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
      take(next.message as Md5Request)
  }
  if (lanes.waiting > 0) gathering ??= setTimeout(digestAll, GATHER_MS)
}

function digestAll(): void {
  gathering = undefined
  digest(() => true)
}

function take(asked: Md5Request): void {
  const stream = streams.get(asked.stream) ?? lanes.open()
  if (asked.kind === 'update') {
    streams.set(asked.stream, stream)
    const { buffer, byteOffset, length } = asked.bytes
    stream.update(new Uint8Array(buffer, byteOffset, length), () => answer({ request: asked.request, digest: undefined }))
    return
  }
  streams.delete(asked.stream)
  // Behind what was to be digested before.
  if (asked.kind === 'drop') return
  wanted += 1
  stream.update(NOTHING, () => {
    wanted -= 1
    answer({ request: asked.request, digest: stream.digest() })
  })
}

function answer(message: Md5Answer): void {
  port.postMessage(message)
}
