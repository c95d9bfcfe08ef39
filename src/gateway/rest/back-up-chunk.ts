import type { ChunkId } from '#foundation/ids.ts'
import { ShoalError } from '#foundation/errors.ts'
import { requireBackup } from './require-backup.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'

const CONTENT_TYPE = 'application/octet-stream'

export const backUpChunk: Route = {
  operation: 'backUpChunk',
  method: 'GET',
  path: '/api/v1/backup/chunks/{chunk}',
  summary: 'The bytes of a chunk, as they are kept: encrypted where the volume is',
  responses: { 200: { description: 'The whole chunk; its SHA-256 is its name', contentType: CONTENT_TYPE } },
  errors: ['UNSUPPORTED', 'INVALID_ARGUMENT', 'CHUNK_MISSING', 'CORRUPT'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Backups')
    const chunk = exchange.parameters[0] ?? ''
    if (!/^[0-9a-f]{64}$/.test(chunk))
      throw new ShoalError('INVALID_ARGUMENT', 'A chunk is named by its SHA-256, 64 digits of 0 to f')
    exchange.send(200, ['Content-Type', CONTENT_TYPE], await requireBackup(rest).readChunk(chunk as ChunkId))
  },
}
