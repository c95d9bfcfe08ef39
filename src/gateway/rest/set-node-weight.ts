import { percentDecode } from '#gateway/http/target.ts'
import { readJson } from './read-request.ts'
import { requireRoot } from './require-root.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { NodeSchema, NodeWeightSchema } from './node-schemas.ts'
import { sendJson } from './send-json.ts'

export const setNodeWeight: Route = {
  operation: 'setNodeWeight',
  method: 'PUT',
  path: '/api/v1/nodes/{node}/weight',
  summary: 'Says how much of the chunks a node is to get, in comparison with others of its capacity',
  body: { contentType: 'application/json', schema: NodeWeightSchema },
  responses: { 200: { description: 'The node', schema: NodeSchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    const { weight } = await readJson(exchange, NodeWeightSchema)
    sendJson(exchange, 200, await rest.cluster.setNode(percentDecode(exchange.parameters[0] ?? ''), { weight }))
  },
}
