import { ShoalError } from '#foundation/errors.ts'
import { percentDecode } from '#gateway/http/target.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { NodeSchema } from './node-schemas.ts'
import { sendJson } from './send-json.ts'

export const showNode: Route = {
  operation: 'showNode',
  method: 'GET',
  path: '/api/v1/nodes/{node}',
  summary: 'Shows a node of the cluster',
  responses: { 200: { description: 'The node', schema: NodeSchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND'],
  handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    const id = percentDecode(exchange.parameters[0] ?? '')
    const node = rest.cluster.nodes().find((each) => each.id === id)
    if (node === undefined) throw new ShoalError('NOT_FOUND', `There is no node "${id.slice(0, 80)}"`)
    sendJson(exchange, 200, node)
  },
}
