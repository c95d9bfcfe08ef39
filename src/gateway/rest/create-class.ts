import { classJson } from './class-json.ts'
import { requireRoot } from './require-root.ts'
import { readJson } from './read-request.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { ClassSchema, ClassToMakeSchema } from './class-schemas.ts'
import { sendJson } from './send-json.ts'

export const createClass: Route = {
  operation: 'createClass',
  method: 'POST',
  path: '/api/v1/classes',
  summary: 'Makes a replication class',
  body: { contentType: 'application/json', schema: ClassToMakeSchema, required: true },
  responses: { 201: { description: 'The class', schema: ClassSchema } },
  errors: ['ALREADY_EXISTS', 'UNSUPPORTED', 'QUOTA_EXCEEDED', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Classes')
    const { name, ...settings } = await readJson(exchange, ClassToMakeSchema)
    sendJson(exchange, 201, classJson(await rest.classes.create(name, settings)))
  },
}
