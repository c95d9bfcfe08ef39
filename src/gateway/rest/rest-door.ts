import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { RouteTree } from '#gateway/http/route-tree.ts'
import { BodyGate } from '#gateway/http/body-gate.ts'
import { mayBeRepeat } from '#gateway/http/request-mark.ts'
import { buildOpenApi } from './openapi.ts'
import { sendProblem } from './problem.ts'
import { callerOnce, volumeName } from './read-request.ts'
import type { RestContext, RestServices, Route } from './route.ts'
import { ROUTES } from './routes.ts'

/** The REST interface of docs/rest.md. */
export class RestDoor implements Door {
  readonly name = 'rest'
  readonly #routes = new RouteTree<Route>()
  readonly #context: RestContext

  constructor(services: RestServices) {
    for (const route of ROUTES) this.#routes.add(route.method, route.path, route)
    let openApi: string | undefined
    this.#context = {
      ...services,
      uploads: new BodyGate(services.limits.maxConcurrentUploads),
      openApi: () => (openApi ??= JSON.stringify(buildOpenApi(ROUTES))),
    }
  }

  handle(exchange: Exchange): void | Promise<void> {
    const found = this.#routes.find(exchange.method, exchange.path)
    if (found === undefined) {
      throw new ShoalError(
        'NOT_FOUND',
        `There is nothing at "${exchange.path.slice(0, 200)}": the interface is described at /api/v1/openapi.json`,
      )
    }
    if ('allowed' in found) return answerOtherMethod(exchange, found.allowed)
    const route = found.value
    exchange.parameters = found.parameters
    if (route.open !== true) {
      const { authorization } = exchange.headers
      const principal = this.#context.authenticator.verify(authorization)
      if (principal === undefined) return this.#context.authenticator.refuse(authorization, exchange.remoteAddress)
      exchange.principal = principal.name
      if (route.method !== 'GET' && route.method !== 'HEAD') refuseForeignSites(exchange)
    }
    if (route.isRemembered !== true || !mayBeRepeat(exchange)) return route.handle(exchange, this.#context)
    if (route.method === 'POST' && this.#context.remembers?.(volumeName(exchange)) === false) throw notRemembered()
    return this.#settled(exchange, route.handle(exchange, this.#context))
  }

  /** A failure is told once it is sure that nothing comes of the request any more. */
  async #settled(exchange: Exchange, handling: void | Promise<void>): Promise<void> {
    try {
      await handling
    } catch (error) {
      const { request } = callerOnce(exchange)
      if (!isShoalError(error) || request === undefined || exchange.response.headersSent || exchange.aborted) throw error
      throw (await this.#context.settleRequest?.(volumeName(exchange), request, error)) ?? error
    }
  }

  remembers({ method, path }: Exchange): boolean {
    const found = this.#routes.find(method, path)
    return found !== undefined && 'value' in found && found.value.isRemembered === true
  }

  isConversation({ method, path }: Exchange): boolean {
    const found = this.#routes.find(method, path)
    return found !== undefined && 'value' in found && found.value.isConversation === true
  }

  fail(exchange: Exchange, error: ShoalError): void {
    sendProblem(exchange, error)
  }
}

function notRemembered(): ShoalError {
  return new ShoalError(
    'UNSUPPORTED',
    'An eventual volume remembers no results: whether this request was done before nobody can say. Look, or send it with a key that was just made (X-Shoal-First-Try)',
    { details: { ambiguous: true } },
  )
}

function answerOtherMethod(exchange: Exchange, allowed: readonly string[]): void {
  const allow = allowed.join(', ')
  if (exchange.method !== 'OPTIONS') {
    throw new ShoalError('METHOD_NOT_ALLOWED', `${exchange.method} is not possible here; ${allow} are`, { details: { allow } })
  }
  exchange.send(204, ['Allow', allow])
}

/** A browser adds Basic credentials that it knows to requests of any site's forms. It also says where they come from
 *  (Fetch Metadata, W3C): a change from elsewhere is refused. */
function refuseForeignSites(exchange: Exchange): void {
  const site = exchange.headers['sec-fetch-site']
  if (site === undefined || site === 'same-origin' || site === 'none') return
  throw new ShoalError(
    'FORBIDDEN',
    `A browser sent this for another site (Sec-Fetch-Site: ${String(site)}); changes are taken from the node's own pages only`,
  )
}
