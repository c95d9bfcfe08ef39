import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'

export const showHealth: Route = {
  operation: 'showHealth',
  method: 'GET',
  path: '/healthz',
  summary: 'Answers while the process lives',
  open: true,
  responses: { 200: { description: 'Alive', contentType: 'application/json' } },
  errors: [],
  handle(exchange) {
    sendJson(exchange, 200, { status: 'ok' })
  },
}
