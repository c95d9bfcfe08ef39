import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { Agent, request } from 'undici'
import { RouteTree } from '#gateway/http/route-tree.ts'
import { errorsByStatus } from './openapi.ts'
import { AUTHORIZATION, startTestServer, type TestServer } from './rest-server.suite.ts'
import type { Route } from './route.ts'
import { ROUTES } from './routes.ts'

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests pick from answers of many shapes
  readonly json: Record<string, any>
}

/** A server for the tests of one file, and what they call it with. In the end each answer must have been one that its route
 *  documents. */
export interface RestCalls {
  readonly server: TestServer
  readonly agent: Agent
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  put(path: string, body: string | Buffer, headers?: Record<string, string>): Promise<Answer>
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  op(path: string, body: unknown): Promise<Answer>
}

export interface CallOptions {
  readonly body?: string | Buffer | undefined
  readonly headers?: Record<string, string>
  readonly anonymous?: boolean
}

/** `all`: the tests of the file call every route that there is. */
export function restCalls({ all = false } = {}): RestCalls {
  let server: TestServer
  const agent = new Agent({ pipelining: 1 })
  before(async () => {
    server = await startTestServer()
  })
  after(async () => {
    await agent.destroy()
    await server[Symbol.asyncDispose]()
    const seen = checkDocumented(server)
    const missing = ROUTES.map((route) => route.operation).filter((operation) => !seen.has(operation))
    if (all) assert.deepEqual(missing, [], 'routes that no test has called')
  })
  const call: RestCalls['call'] = (method, path, options = {}) => send(agent, server.url + path, { method, ...options })
  return {
    agent,
    get server() {
      return server
    },
    call,
    put: (path, body, headers = {}) => call('PUT', `/api/v1/volumes/docs/files/${path}`, { body, headers }),
    get: (path, headers = {}) => call('GET', `/api/v1/volumes/docs/files/${path}`, { headers }),
    op: (path, body) => call('POST', `/api/v1/volumes/docs/entries/${path}`, { body: JSON.stringify(body) }),
  }
}

async function send(agent: Agent, url: string, { method, ...options }: CallOptions & { method: string }): Promise<Answer> {
  const response = await request(url, {
    method: method as 'GET',
    dispatcher: agent,
    body: options.body ?? null,
    headers: { ...(options.anonymous === true ? {} : { authorization: AUTHORIZATION }), ...options.headers },
  })
  const text = await response.body.text()
  const isJson =
    String(response.headers['content-type']).includes('json') &&
    !String(response.headers['content-type']).includes('ndjson') &&
    text !== ''
  return { status: response.statusCode, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} }
}

/** Each answer that the tests of this file caused is one that its route documents. */
function checkDocumented(server: TestServer): Set<string> {
  const tree = new RouteTree<Route>()
  for (const route of ROUTES) tree.add(route.method, route.path, route)
  const seen = new Set<string>()
  for (const exchange of server.finished) {
    const found = tree.find(exchange.method, exchange.path)
    if (found === undefined || 'allowed' in found) continue
    const route = found.value
    const { statusCode } = exchange.response
    seen.add(route.operation)
    const documented = [...Object.keys(route.responses), ...errorsByStatus(route).keys()]
    assert.ok(documented.includes(String(statusCode)), `${route.operation} answered ${statusCode}, which it does not document`)
  }
  return seen
}
