import { ShoalError } from '#foundation/errors.ts'
import { judgeConditions, readConditions } from '#gateway/http/conditional.ts'
import { entityTag } from '#metadata/attributes.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import type { EntryTarget } from './dav-target.ts'
import { readDepth } from './request-headers.ts'

/** DELETE: a file, or a collection with everything in it, bottom up. */
export async function removeResource(request: DavRequest<EntryTarget>): Promise<void> {
  const { exchange, services, target, caller } = request
  const { path } = target
  readDepth(exchange, ['infinity'], 'infinity')
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  if (path.length === 0)
    throw new ShoalError('FORBIDDEN', `A volume is not removed over WebDAV: use "shoal volume delete ${target.volume}"`)
  const asked = readConditions(exchange.headers, services.clock.nowMs())
  if (asked === undefined) await volume.remove(path, { caller, recursive: true, guard })
  else {
    const found = await volume.stat(path)
    const etag = found === undefined ? undefined : entityTag(found)
    const state =
      found === undefined || etag === undefined ? undefined : { etag, lastModifiedMs: Number(found.mtimeNs / 1_000_000n) }
    if (judgeConditions(asked, state, false) === 'failed')
      throw new ShoalError('PRECONDITION_FAILED', `The entity tag is ${etag ?? 'none'}: a condition of the request does not hold`)
    const conditions = etag === undefined ? {} : { conditions: { ifMatch: [etag] } }
    await volume.remove(path, { caller, recursive: true, guard, ...conditions })
  }
  exchange.send(204, [])
}
