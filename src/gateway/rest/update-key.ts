import { percentDecode } from '#gateway/http/target.ts'
import { keyJson } from './key-json.ts'
import { requireRoot } from './require-root.ts'
import { readJson } from './read-request.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { KeyChangesSchema, KeySchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const updateKey: Route = {
  operation: 'updateKey',
  method: 'PATCH',
  path: '/api/v1/keys/{key}',
  summary: 'Disables an access key, enables it again, or describes it anew',
  body: { contentType: 'application/json', schema: KeyChangesSchema, required: true },
  responses: { 200: { description: 'The key', schema: KeySchema } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange)
    const changes = await readJson(exchange, KeyChangesSchema)
    sendJson(exchange, 200, keyJson(await rest.keyring.update(percentDecode(exchange.parameters[0] ?? ''), changes)))
  },
}
