import type { Exchange } from '#gateway/http/exchange.ts'
import { parseQuery, percentDecode } from '#gateway/http/target.ts'
import type { EventualVolumes } from '#volume/eventual-volumes.ts'
import { QUESTION_BYTES_MAX } from './listing-door.ts'

const OF_VOLUME = /^\/(?:api\/v1\/volumes|dav)\/([^/]+)/

const DAV_TOP = /^(?:\/dav)?\/*$/
const DAV_READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PROPFIND'])

const CHANGES = '/api/v1/changes'

type Asked = Pick<Exchange, 'path'> & Partial<Pick<Exchange, 'query'>> & { readonly headers: Exchange['headers'] }

/** Whether a request on the base port asks which volumes there are. */
export function isVolumeList({ method, path }: Pick<Exchange, 'method' | 'path'>): boolean {
  return method === 'GET' && path === '/api/v1/volumes'
}

/** Whether a WebDAV request asks which volumes there are, or for no volume at all. */
export function isDavTop({ method, path, lengthBytes }: Pick<Exchange, 'method' | 'path' | 'lengthBytes'>): boolean {
  return DAV_READING.has(method) && DAV_TOP.test(path) && (lengthBytes ?? Infinity) <= QUESTION_BYTES_MAX
}

/** Whether a request on the base port is about eventual volumes that this node knows, and nothing else: every node serves these itself. */
export function isOfEventual({ path, query, headers }: Asked, eventual: Pick<EventualVolumes, 'has'>): boolean {
  if (path === CHANGES) return isFeedOfEventual(query, eventual)
  if (!isEventual(path, eventual)) return false
  const { destination } = headers
  return typeof destination !== 'string' || isEventual(destination.replace(/^\s*https?:\/\/[^/]*/i, ''), eventual)
}

function isFeedOfEventual(query: string | undefined, eventual: Pick<EventualVolumes, 'has'>): boolean {
  try {
    return eventual.has(parseQuery(query ?? '')['volume'] ?? '')
  } catch {
    return false
  }
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
