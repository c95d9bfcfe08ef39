import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'

export const rotateGossipKey: Route = {
  operation: 'rotateGossipKey',
  method: 'POST',
  path: '/api/v1/cluster/rotate-key',
  summary: 'Gives all nodes that run another key for what they tell each other',
  responses: { 204: { description: 'All have it' } },
  errors: ['CONFLICT', 'NO_SPACE'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    await rest.cluster.rotateKey()
    exchange.send(204, [])
  },
}
