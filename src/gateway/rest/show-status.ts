import type { Route } from './route.ts'
import { StatusSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const showStatus: Route = {
  operation: 'showStatus',
  method: 'GET',
  path: '/api/v1/status',
  summary: 'Shows the node and what it keeps',
  responses: { 200: { description: 'The status', schema: StatusSchema } },
  errors: [],
  async handle(exchange, rest) {
    sendJson(exchange, 200, await rest.status())
  },
}
