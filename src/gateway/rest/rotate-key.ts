import { percentDecode } from '#gateway/http/target.ts'
import { keyJson } from './key-json.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { KeySchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const rotateKey: Route = {
  operation: 'rotateKey',
  method: 'POST',
  path: '/api/v1/keys/{key}/rotate',
  summary: 'Gives an access key a new secret; the one before is refused from then on',
  responses: { 200: { description: 'The key with its new secret', schema: KeySchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'NO_SPACE'],
  async handle(exchange, rest) {
    requireRoot(exchange)
    const key = await rest.keyring.rotate(percentDecode(exchange.parameters[0] ?? ''))
    sendJson(exchange, 200, keyJson(key), ['Cache-Control', 'no-store'])
  },
}
