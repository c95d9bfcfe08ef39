import { classJson } from './class-json.ts'
import type { Route } from './route.ts'
import { ClassListSchema } from './class-schemas.ts'
import { sendJson } from './send-json.ts'

export const listClasses: Route = {
  operation: 'listClasses',
  method: 'GET',
  path: '/api/v1/classes',
  summary: 'Lists the replication classes',
  responses: { 200: { description: 'All classes, by name', schema: ClassListSchema } },
  errors: [],
  handle(exchange, rest) {
    sendJson(exchange, 200, { classes: rest.classes.list().map(classJson) })
  },
}
