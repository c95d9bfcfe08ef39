import type { Route } from './route.ts'
import { sendJson } from './send-json.ts'

export const showReadiness: Route = {
  operation: 'showReadiness',
  method: 'GET',
  path: '/readyz',
  summary: 'Answers whether requests should be sent here',
  open: true,
  responses: {
    200: { description: 'Ready', contentType: 'application/json' },
    503: { description: 'Starting, draining, or storage has failed', contentType: 'application/json' },
  },
  errors: [],
  handle(exchange, rest) {
    const state = rest.state()
    sendJson(exchange, state === 'serving' ? 200 : 503, { state })
  },
}
