import { ShoalError } from '#foundation/errors.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import type { EntryTarget } from './dav-target.ts'
import { checkHttpConditions } from './http-conditions.ts'
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
  const conditions = checkHttpConditions(request, await volume.stat(path))
  await volume.remove(path, { caller, recursive: true, guard, ...(conditions === undefined ? {} : { conditions }) })
  exchange.send(204, [])
}
