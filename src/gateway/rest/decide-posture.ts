import { percentDecode } from '#gateway/http/target.ts'
import type { NodePosture } from './cluster-admin.ts'
import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { NodeSchema } from './node-schemas.ts'
import { sendJson } from './send-json.ts'

export const drainNode = deciding('drain', 'draining', 'Gives the chunks of a node to others, and new ones too')
export const makeNodeReadonly = deciding('readonly', 'readonly', 'Gives a node no new chunks; it keeps those it has')
export const activateNode = deciding('activate', 'active', 'Takes back that a node is drained or readonly')

function deciding(word: 'drain' | 'readonly' | 'activate', posture: NodePosture, summary: string): Route {
  return {
    operation: `${word}Node`,
    method: 'POST',
    path: `/api/v1/nodes/{node}/${word}`,
    summary,
    responses: { 200: { description: 'The node', schema: NodeSchema } },
    errors: ['INVALID_PATH', 'NOT_FOUND', 'NO_SPACE'],
    async handle(exchange, rest) {
      requireRoot(exchange, 'Nodes')
      const id = percentDecode(exchange.parameters[0] ?? '')
      sendJson(exchange, 200, await rest.cluster.setNode(id, { posture }))
    },
  }
}
