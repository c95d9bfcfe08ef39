import { requireBackup } from './require-backup.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'

const CONTENT_TYPE = 'application/octet-stream'

export const backUpMetadata: Route = {
  operation: 'backUpMetadata',
  method: 'GET',
  path: '/api/v1/backup/metadata',
  summary: 'All metadata as of one moment, with the keys of the cluster: what `shoal backup` keeps',
  responses: { 200: { description: 'The metadata, as docs/formats/backup.md describes it', contentType: CONTENT_TYPE } },
  errors: ['UNSUPPORTED', 'BUSY', 'STORAGE_FAILED'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Backups')
    const pieces = (await requireBackup(rest).openMetadata())[Symbol.asyncIterator]()
    try {
      // The first decides whether there is anything; what breaks off later is never complete.
      let piece = await pieces.next()
      exchange.startStream(200, ['Content-Type', CONTENT_TYPE, 'Cache-Control', 'no-store'])
      while (piece.done !== true) {
        if (!exchange.write(piece.value)) await exchange.drained()
        piece = await pieces.next()
      }
    } finally {
      await pieces.return?.()
    }
    exchange.end()
  },
}
