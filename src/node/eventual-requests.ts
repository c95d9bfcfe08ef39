import type { Exchange } from '#gateway/http/exchange.ts'
import { percentDecode } from '#gateway/http/target.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'

const OF_VOLUME = /^\/(?:api\/v1\/volumes|dav)\/([^/]+)/

type Asked = Pick<Exchange, 'path'> & { readonly headers: Exchange['headers'] }

/** Whether a request on the base port asks which volumes there are. */
export function isVolumeList({ method, path }: Pick<Exchange, 'method' | 'path'>): boolean {
  return method === 'GET' && path === '/api/v1/volumes'
}

/** Whether a request on the base port is about eventual volumes that this node knows, and nothing else: every node serves these itself. */
export function isOfEventual({ path, headers }: Asked, eventual: Pick<EventualVolumes, 'has'>): boolean {
  if (!isEventual(path, eventual)) return false
  const { destination } = headers
  return typeof destination !== 'string' || isEventual(destination.replace(/^\s*https?:\/\/[^/]*/i, ''), eventual)
}

function isEventual(path: string, eventual: Pick<EventualVolumes, 'has'>): boolean {
  const name = OF_VOLUME.exec(path)?.[1]
  if (name === undefined) return false
  try {
    return eventual.has(percentDecode(name))
  } catch {
    // No volume has that name, as whoever serves the request says.
    return false
  }
}
