import { readJson } from './read-request.ts'
import { requireRoot } from './require-root.ts'
import { requireTracker } from './require-tracker.ts'
import { BODY_ERRORS } from './route.ts'
import type { Route } from './route.ts'
import { TrackerSchema, TrackerTaskChoiceSchema } from './tracker-schemas.ts'
import { sendJson } from './send-json.ts'

export const resumeTracker: Route = {
  operation: 'resumeTracker',
  method: 'POST',
  path: '/api/v1/tracker/resume',
  summary: 'Lets a task of the tracker, or all, go on where it was paused',
  body: { contentType: 'application/json', schema: TrackerTaskChoiceSchema },
  responses: { 200: { description: 'The tracker', schema: TrackerSchema } },
  errors: ['UNSUPPORTED', 'CONFLICT', 'NO_SPACE', ...BODY_ERRORS],
  async handle(exchange, rest) {
    requireRoot(exchange, "The tracker's tasks")
    const tracker = requireTracker(rest)
    const { task } = await readJson(exchange, TrackerTaskChoiceSchema)
    await tracker.resume(task)
    sendJson(exchange, 200, await tracker.status())
  },
}
