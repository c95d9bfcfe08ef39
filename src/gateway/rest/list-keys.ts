import { keyJson } from './key-json.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { KeyListSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const listKeys: Route = {
  operation: 'listKeys',
  method: 'GET',
  path: '/api/v1/keys',
  summary: 'Lists the access keys, without their secrets and without the root key',
  responses: { 200: { description: 'All access keys, by name', schema: KeyListSchema } },
  errors: [],
  handle(exchange, rest) {
    requireRoot(exchange)
    sendJson(exchange, 200, { keys: rest.keyring.list().map(keyJson) })
  },
}
