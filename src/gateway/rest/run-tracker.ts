import { readJson } from './read-request.ts'
import { requireRoot } from './require-root.ts'
import { requireTracker } from './require-tracker.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { TrackerRunSchema, TrackerSchema } from './tracker-schemas.ts'
import { sendJson } from './send-json.ts'

export const runTracker: Route = {
  operation: 'runTracker',
  method: 'POST',
  path: '/api/v1/tracker/run',
  summary: 'Begins a walk of a task now, or a dry run of it, which changes nothing',
  body: { contentType: 'application/json', schema: TrackerRunSchema, required: true },
  responses: { 200: { description: 'The tracker', schema: TrackerSchema } },
  errors: ['UNSUPPORTED', 'CONFLICT', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange, "The tracker's tasks")
    const tracker = requireTracker(rest)
    const { task, dryRun = false, budget } = await readJson(exchange, TrackerRunSchema)
    await tracker.run(task, { isDryRun: dryRun, budget })
    sendJson(exchange, 200, await tracker.status())
  },
}
