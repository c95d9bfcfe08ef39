import type { Route } from './route.ts'

export const exposeMetrics: Route = {
  operation: 'exposeMetrics',
  method: 'GET',
  path: '/metrics',
  summary: "The node's metrics in Prometheus' text format",
  responses: { 200: { description: 'The metrics', contentType: 'text/plain' } },
  errors: [],
  async handle(exchange, rest) {
    rest.httpMetrics.flush()
    const { contentType, body } = await rest.metrics.expose()
    exchange.send(200, ['Content-Type', contentType], body)
  },
}
