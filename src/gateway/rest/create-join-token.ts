import { formatTimestamp } from '#foundation/timestamp.ts'
import { readJson } from './read-request.ts'
import { requireRoot } from './require-root.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { JoinTokenSchema, JoinTokenToMakeSchema } from './node-schemas.ts'
import { sendJson } from './send-json.ts'

const DAY_SECONDS = 86_400

export const createJoinToken: Route = {
  operation: 'createJoinToken',
  method: 'POST',
  path: '/api/v1/cluster/tokens',
  summary: 'Makes a join token, which lets nodes into the cluster; the answer is the only one that shows it',
  body: { contentType: 'application/json', schema: JoinTokenToMakeSchema },
  responses: { 201: { description: 'The token', schema: JoinTokenSchema } },
  errors: ['NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    const { uses = 1, lifeSeconds = DAY_SECONDS } = await readJson(exchange, JoinTokenToMakeSchema)
    const { token, expiresMs } = await rest.cluster.issueToken({ uses, lifeMs: lifeSeconds * 1000 })
    const expires = formatTimestamp(BigInt(expiresMs) * 1_000_000n)
    sendJson(exchange, 201, { token, expires, uses }, ['Cache-Control', 'no-store'])
  },
}
