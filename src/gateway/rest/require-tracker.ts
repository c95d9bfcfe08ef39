import { ShoalError } from '#foundation/errors.ts'
import type { RestContext } from './route.ts'
import type { TrackerAdmin } from './tracker-admin.ts'

/** @throws UNSUPPORTED on a node that has none */
export function requireTracker({ tracker }: Pick<RestContext, 'tracker'>): TrackerAdmin {
  if (tracker !== undefined) return tracker
  throw new ShoalError('UNSUPPORTED', 'This node has no tracker: it keeps its chunks for itself alone')
}
