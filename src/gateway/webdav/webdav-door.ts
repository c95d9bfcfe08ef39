import { ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { transfer } from './copy-move.ts'
import { sendDavError } from './dav-error.ts'
import type { DavRequest, DavServices } from './dav-request.ts'
import { type EntryTarget, parseTarget } from './dav-target.ts'
import { lockResource, unlockResource } from './lock-resource.ts'
import { makeCollection } from './make-collection.ts'
import { patchProperties } from './patch-properties.ts'
import { propfind } from './propfind.ts'
import { readResource } from './read-file.ts'
import { removeResource } from './remove-resource.ts'
import { writeFile } from './write-file.ts'

type Handler<Request> = (request: Request) => Promise<void>

/** What works on any address. */
const READING: Readonly<Record<string, Handler<DavRequest>>> = { GET: readResource, HEAD: readResource, PROPFIND: propfind }

/** What works inside of volumes. */
const CHANGING: Readonly<Record<string, Handler<DavRequest<EntryTarget>>>> = {
  COPY: transfer,
  DELETE: removeResource,
  LOCK: lockResource,
  MKCOL: makeCollection,
  MOVE: transfer,
  PROPPATCH: patchProperties,
  PUT: writeFile,
  UNLOCK: unlockResource,
}

const ALLOW_READING = ['OPTIONS', ...Object.keys(READING)].join(', ')
const ALLOW_ALL = ['OPTIONS', ...Object.keys(READING), ...Object.keys(CHANGING)].join(', ')

/** WebDAV of classes 1, 2 and 3 (RFC 4918), as docs/webdav.md describes it. */
export class WebdavDoor implements Door {
  readonly name = 'webdav'
  readonly #services: DavServices

  constructor(services: DavServices) {
    this.#services = services
  }

  handle(exchange: Exchange): void | Promise<void> {
    const { method } = exchange
    const target = parseTarget(exchange.path)
    const allow = target.kind === 'entry' ? ALLOW_ALL : ALLOW_READING
    // Windows asks the top of the server, and without credentials, whether there is WebDAV at all.
    if (method === 'OPTIONS') return exchange.send(200, ['DAV', '1, 2, 3', 'MS-Author-Via', 'DAV', 'Allow', allow])
    const { authorization } = exchange.headers
    const principal = this.#services.authenticator.verify(authorization)
    if (principal === undefined) return this.#services.authenticator.refuse(authorization, exchange.remoteAddress)
    exchange.principal = principal.name
    const request = { exchange, services: this.#services, target, caller: { principal: principal.name } }
    const read = READING[method]
    if (read !== undefined) return read(request)
    const change = CHANGING[method]
    if (change === undefined || target.kind !== 'entry')
      throw new ShoalError('METHOD_NOT_ALLOWED', `${method.slice(0, 40)} is not possible here; ${allow} are`, {
        details: { allow },
      })
    refuseForeignSites(exchange)
    return change({ ...request, target })
  }

  fail(exchange: Exchange, error: ShoalError): void {
    sendDavError(exchange, error)
  }
}

/** A browser adds Basic credentials that it knows to requests of any site's scripts. It also says where they come from
 *  (Fetch Metadata, W3C): a change from elsewhere is refused. */
function refuseForeignSites(exchange: Exchange): void {
  const site = exchange.headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return
  throw new ShoalError(
    'FORBIDDEN',
    `A browser sent this for another site (Sec-Fetch-Site: ${String(site)}); changes are taken from the node's own pages only`,
  )
}
