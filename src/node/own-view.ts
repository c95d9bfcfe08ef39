import type { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { Exchange } from '#gateway/http/exchange.ts'

/** What every node answers about itself, whoever asks. */
const OWN_PATHS: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics', '/api/v1/openapi.json'])
/** What it answers for itself too, to those whose key it knows; others' keys are known where the volumes are. */
const OWN_VIEWS = /^\/api\/v1\/(status|nodes(\/[^/]+)?)$/
/** A join token is taken by the node that made it, and who asks a node for one is told to join there. */
const TOKENS = '/api/v1/cluster/tokens'
/** Whoever leads can't be asked to remove itself when it is lost. */
const REMOVAL = /^\/api\/v1\/nodes\/[^/]+\/remove$/
const LOST = /(^|&)lost(=|&|$)/

type Asked = Pick<Exchange, 'method' | 'path' | 'query'> & { readonly headers: Pick<Exchange['headers'], 'authorization'> }

/** Whether a node that doesn't lead answers a request on the base port itself: so that it can be looked at while the leader is away, and
 *  lets others in. */
export function isOwnView({ method, path, query, headers }: Asked, authenticator: Pick<BasicAuthenticator, 'verify'>): boolean {
  if (OWN_PATHS.has(path)) return true
  const isChange = method === 'POST' && (path === TOKENS || (REMOVAL.test(path) && LOST.test(query)))
  const isView = isChange || (method === 'GET' && OWN_VIEWS.test(path))
  return isView && authenticator.verify(headers.authorization) !== undefined
}
