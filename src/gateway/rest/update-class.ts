import { percentDecode } from '#gateway/http/target.ts'
import { classJson } from './class-json.ts'
import { requireRoot } from './require-root.ts'
import { readJson } from './read-request.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { ClassChangesSchema, ClassSchema } from './class-schemas.ts'
import { sendJson } from './send-json.ts'

export const updateClass: Route = {
  operation: 'updateClass',
  method: 'PATCH',
  path: '/api/v1/classes/{class}',
  summary: 'Changes the given fields of a replication class',
  body: { contentType: 'application/json', schema: ClassChangesSchema, required: true },
  responses: { 200: { description: 'The class', schema: ClassSchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'UNSUPPORTED', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Classes')
    const changes = await readJson(exchange, ClassChangesSchema)
    sendJson(exchange, 200, classJson(await rest.classes.update(percentDecode(exchange.parameters[0] ?? ''), changes)))
  },
}
