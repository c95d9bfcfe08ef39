import { ShoalError } from '#foundation/errors.ts'
import { formatPath } from '#foundation/path.ts'
import { type DavRequest, readGuard } from './dav-request.ts'
import type { EntryTarget } from './dav-target.ts'

/** MKCOL. A body could ask for anything: none is understood (RFC 4918, section 9.3). */
export async function makeCollection(request: DavRequest<EntryTarget>): Promise<void> {
  const { exchange, services, target, caller } = request
  const { path } = target
  if (exchange.lengthBytes !== 0)
    throw new ShoalError('UNSUPPORTED', 'MKCOL takes no body: set properties with PROPPATCH afterwards', {
      details: { status: 415 },
    })
  const volume = await services.volumes.open(target.volume)
  const guard = readGuard(request, target.volume)
  if ((await volume.stat(path)) !== undefined)
    throw new ShoalError('ALREADY_EXISTS', `There is something at "/${formatPath(path)}" already`)
  await volume.makeDirectory(path, { caller, guard })
  exchange.send(201, [])
}
