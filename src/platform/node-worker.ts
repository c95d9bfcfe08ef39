// A worker thread: see `node-worker-pool.ts`.

import { hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { blockChecksums, sha256AndChecksums } from './block-checksums.ts'
import { systemErrorCode } from './files.ts'
import { nodeSyncFiles } from './node-sync-files.ts'
import { type Answer, type Job, type SharedBytes, unpooled } from './node-worker-jobs.ts'
import { publishThrough } from './publish.ts'

parentPort?.on('message', (job: Job) => {
  run(job).then(
    (result) => answer({ result }),
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error)
      answer({ failure: { message, code: systemErrorCode(error) } })
    },
  )
})

async function run(job: Job): Promise<Uint8Array | undefined> {
  switch (job.kind) {
    case 'sha256':
      return hash('sha256', view(job.bytes), 'buffer')
    case 'sha256 and checksums':
      return unpooled(sha256AndChecksums(view(job.bytes), job.blockBytes, job.checksums))
    case 'crc32':
    case 'crc32c':
      return unpooled(blockChecksums(view(job.bytes), job.blockBytes, job.kind))
    case 'publish':
      await publishThrough(nodeSyncFiles, job.path, job.pieces.map(view), job.options)
      return undefined
  }
}

function view(bytes: SharedBytes | Uint8Array): Uint8Array {
  return bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function answer(message: Answer): void {
  parentPort?.postMessage(message)
}
