import { ROOT } from '#access/principal.ts'
import { keyJson } from './key-json.ts'
import { requireRoot } from './require-root.ts'
import { readJson } from './read-request.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { KeySchema, KeyToMakeSchema } from './schemas.ts'
import { sendJson } from './send-json.ts'

export const createKey: Route = {
  operation: 'createKey',
  method: 'POST',
  path: '/api/v1/keys',
  summary: 'Makes an access key for a principal; the answer is the only one that shows its secret',
  body: { contentType: 'application/json', schema: KeyToMakeSchema },
  responses: { 201: { description: 'The key with its secret', schema: KeySchema } },
  errors: ['ALREADY_EXISTS', 'QUOTA_EXCEEDED', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange)
    const { principal = ROOT.name, description, accessKey, secretKey } = await readJson(exchange, KeyToMakeSchema)
    const key = await rest.keyring.create({
      principal,
      ...(description === undefined ? {} : { description }),
      ...(accessKey === undefined ? {} : { accessKey }),
      ...(secretKey === undefined ? {} : { secretKey }),
    })
    sendJson(exchange, 201, keyJson(key), ['Cache-Control', 'no-store'])
  },
}
