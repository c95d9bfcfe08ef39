import { ShoalError } from '#foundation/errors.ts'
import { judgeConditions, readConditions } from '#gateway/http/conditional.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Conditions } from '#volume/volume.ts'
import type { DavRequest } from './dav-request.ts'

/** Judges If-Match and its kin before a change, and gives those that the volume has to judge again when the change takes
 *  effect. A date that holds now is pinned to the entity tag of now. @throws PRECONDITION_FAILED, INVALID_ARGUMENT */
export function checkHttpConditions(
  { exchange, services }: Pick<DavRequest, 'exchange' | 'services'>,
  found: Attributes | undefined,
): Conditions | undefined {
  const asked = readConditions(exchange.headers, services.clock.nowMs())
  if (asked === undefined) return undefined
  const etag = found === undefined ? undefined : entityTag(found)
  const state =
    found === undefined || etag === undefined ? undefined : { etag, lastModifiedMs: Number(found.mtimeNs / 1_000_000n) }
  if (judgeConditions(asked, state, false) === 'failed') {
    const shown = etag === undefined ? 'nothing is there' : `the entity tag is ${etag}`
    throw new ShoalError('PRECONDITION_FAILED', `A condition of the request does not hold: ${shown}`)
  }
  const byDate = asked.ifMatch === undefined && asked.ifUnmodifiedSinceMs !== undefined && etag !== undefined
  const ifMatch = byDate ? [etag] : asked.ifMatch
  return {
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(asked.ifNoneMatch === undefined ? {} : { ifNoneMatch: asked.ifNoneMatch }),
  }
}
