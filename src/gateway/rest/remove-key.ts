import { percentDecode } from '#gateway/http/target.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'

export const removeKey: Route = {
  operation: 'removeKey',
  method: 'DELETE',
  path: '/api/v1/keys/{key}',
  summary: 'Removes an access key for good',
  responses: { 204: { description: 'Removed' } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'NO_SPACE'],
  async handle(exchange, rest) {
    requireRoot(exchange)
    await rest.keyring.remove(percentDecode(exchange.parameters[0] ?? ''))
    exchange.send(204, [])
  },
}
