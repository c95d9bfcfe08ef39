import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { NodeListSchema } from './node-schemas.ts'
import { sendJson } from './send-json.ts'

export const listNodes: Route = {
  operation: 'listNodes',
  method: 'GET',
  path: '/api/v1/nodes',
  summary: 'Lists the nodes of the cluster, as the one that answers knows them',
  responses: { 200: { description: 'All nodes, by id', schema: NodeListSchema } },
  errors: [],
  handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    sendJson(exchange, 200, { nodes: rest.cluster.nodes() })
  },
}
