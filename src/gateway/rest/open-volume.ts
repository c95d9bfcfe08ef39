import { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import type { Volume } from '#volume/volume.ts'
import { single, volumeName } from './read-request.ts'
import type { RestContext } from './route.ts'

/** Every route with a volume in it takes this header. */
export const VOLUME_ID_HEADER = 'X-Shoal-Volume-Id'

/** The volume that a request is about. @throws VOLUME_NOT_FOUND, also where the request means another one of that name */
export async function openVolume(exchange: Exchange, { volumes }: Pick<RestContext, 'volumes'>): Promise<Volume> {
  const name = volumeName(exchange)
  const volume = await volumes.open(name)
  const meant = single(exchange.headers['x-shoal-volume-id'])
  if (meant === undefined || meant === String(volume.info.id)) return volume
  throw new ShoalError(
    'VOLUME_NOT_FOUND',
    `The volume "${name}" with the id ${meant.slice(0, 20)} is gone: another one has its name`,
  )
}
