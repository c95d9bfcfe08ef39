import { z } from 'zod'
import { percentDecode } from '#gateway/http/target.ts'
import { readQuery } from './read-request.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { FlagSchema } from './schemas.ts'

const QuerySchema = z.strictObject({
  lost: FlagSchema.optional().meta({
    description:
      'The node is lost for good with what it alone had: so the home of all strong volumes is removed, at any other node',
  }),
  force: FlagSchema.optional().meta({ description: 'Also if it runs and is not drained: the copies that it has are lost' }),
})

export const removeNode: Route = {
  operation: 'removeNode',
  method: 'POST',
  path: '/api/v1/nodes/{node}/remove',
  summary: 'Removes a node from the cluster for good: if it runs it stops, and its id does not come back',
  query: QuerySchema,
  responses: { 204: { description: 'Removed' } },
  errors: ['INVALID_PATH', 'NOT_FOUND', 'NOT_PERMITTED', 'CONFLICT', 'TOO_LARGE', 'NO_SPACE'],
  async handle(exchange, rest) {
    requireRoot(exchange, 'Nodes')
    const { lost = false, force = false } = readQuery(exchange, QuerySchema)
    await rest.cluster.removeNode(percentDecode(exchange.parameters[0] ?? ''), { isLost: lost, isForced: force })
    exchange.send(204, [])
  },
}
