import { percentDecode } from '#gateway/http/target.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'

export const removeClass: Route = {
  operation: 'removeClass',
  method: 'DELETE',
  path: '/api/v1/classes/{class}',
  summary: 'Removes a replication class that no volume has',
  responses: { 204: { description: 'Removed' } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'CONFLICT', 'NO_SPACE'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Classes')
    await rest.classes.remove(percentDecode(exchange.parameters[0] ?? ''))
    exchange.send(204, [])
  },
}
