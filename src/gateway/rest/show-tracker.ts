import { requireRoot } from './require-root.ts'
import type { Route } from './route.ts'
import { TrackerSchema } from './tracker-schemas.ts'
import { sendJson } from './send-json.ts'
import { requireTracker } from './require-tracker.ts'

export const showTracker: Route = {
  operation: 'showTracker',
  method: 'GET',
  path: '/api/v1/tracker',
  summary: 'Shows what the tracker works at, how far it is, and what it has decided lately',
  responses: { 200: { description: 'The tracker', schema: TrackerSchema } },
  errors: ['UNSUPPORTED'],
  async handle(exchange, rest) {
    requireRoot(exchange, "The tracker's tasks")
    sendJson(exchange, 200, await requireTracker(rest).status())
  },
}
