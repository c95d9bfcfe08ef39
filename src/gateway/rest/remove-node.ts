import { percentDecode } from '#gateway/http/target.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'

export const removeNode: Route = {
  operation: 'removeNode',
  method: 'POST',
  path: '/api/v1/nodes/{node}/remove',
  summary: 'Removes a node from the cluster for good: if it runs it stops, and its id does not come back',
  responses: { 204: { description: 'Removed' } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'NOT_PERMITTED', 'TOO_LARGE', 'NO_SPACE'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    await rest.cluster.removeNode(percentDecode(exchange.parameters[0] ?? ''))
    exchange.send(204, [])
  },
}
