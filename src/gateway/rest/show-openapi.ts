import type { Route } from './route.ts'

export const showOpenApi: Route = {
  operation: 'showOpenApi',
  method: 'GET',
  path: '/api/v1/openapi.json',
  summary: 'This interface as an OpenAPI 3.1 document',
  open: true,
  responses: { 200: { description: 'The document', contentType: 'application/json' } },
  errors: [],
  handle(exchange, rest) {
    exchange.send(200, ['Content-Type', 'application/json'], rest.openApi())
  },
}
