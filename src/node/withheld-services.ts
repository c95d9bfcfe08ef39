import type { Exchange } from '#gateway/http/exchange.ts'
import type { RestServices } from '#gateway/rest/route.ts'
import { forTheWriter } from '#kv/following-store.ts'

/** What a reader answers on the base port: files, their attributes, and what is in folders. The rest is rare, or tells of the node as
 *  a whole, or waits for changes that only whoever makes them is told of. */
const FILE_VIEWS = /^\/api\/v1\/volumes\/[^/]+\/(files|entries|attributes)(\/|$)|^\/dav\/[^/]/

export function isFileView({ path }: Pick<Exchange, 'path'>): boolean {
  return FILE_VIEWS.test(path)
}

/** What the REST interface has of a node beyond its volumes, where there is none of it. */
export function withheldServices(): Pick<
  RestServices,
  'cluster' | 'classes' | 'tracker' | 'keyring' | 'state' | 'status' | 'stopping' | 'fsck'
> {
  return {
    cluster: withheld(),
    classes: withheld(),
    tracker: withheld(),
    keyring: withheld(),
    state: refuse,
    status: refuse,
    fsck: refuse,
    stopping: new AbortController().signal,
  }
}

/** Something whose every method is for the writer. */
function withheld<T extends object>(): T {
  return new Proxy({}, { get: () => refuse }) as T
}

function refuse(): never {
  throw forTheWriter('Only whoever writes has this')
}
