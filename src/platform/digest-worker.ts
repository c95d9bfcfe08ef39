import { hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'

interface Request {
  readonly buffer: SharedArrayBuffer
  readonly byteOffset: number
  readonly length: number
}

parentPort?.on('message', ({ buffer, byteOffset, length }: Request) => {
  parentPort?.postMessage(hash('sha256', new Uint8Array(buffer, byteOffset, length), 'buffer'))
})
