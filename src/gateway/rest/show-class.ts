import { percentDecode } from '#gateway/http/target.ts'
import { classJson } from './class-json.ts'
import type { Route } from './route.ts'
import { ClassSchema } from './class-schemas.ts'
import { sendJson } from './send-json.ts'

export const showClass: Route = {
  operation: 'showClass',
  method: 'GET',
  path: '/api/v1/classes/{class}',
  summary: 'Shows what a replication class asks for, and what it gets',
  responses: { 200: { description: 'The class', schema: ClassSchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND'],
  handle(exchange, rest) {
    sendJson(exchange, 200, classJson(rest.classes.show(percentDecode(exchange.parameters[0] ?? ''))))
  },
}
