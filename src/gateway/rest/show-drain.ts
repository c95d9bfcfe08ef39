import { percentDecode } from '#gateway/http/target.ts'
import { requireRoot } from './require-root.ts'
import { requireTracker } from './require-tracker.ts'
import type { Route } from './route.ts'
import { DrainSchema } from './tracker-schemas.ts'
import { sendJson } from './send-json.ts'

export const showDrain: Route = {
  operation: 'showDrain',
  method: 'GET',
  path: '/api/v1/nodes/{node}/drain',
  summary: 'Shows how far the drain of a node is, and what keeps it from its end',
  responses: { 200: { description: 'The drain', schema: DrainSchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'CONFLICT', 'UNSUPPORTED'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    sendJson(exchange, 200, await requireTracker(rest).drain(percentDecode(exchange.parameters[0] ?? '')))
  },
}
