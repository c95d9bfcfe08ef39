import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import { BodyGate } from '#gateway/http/body-gate.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import { DEFAULT_HTTP_LIMITS } from '#gateway/http/limits.ts'
import { HttpServer } from '#gateway/http/server.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { parseXml } from '#gateway/xml/parse-xml.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { type Fixture, openFixture } from '#volume/volume-fixture.suite.ts'
import { WebdavDoor } from './webdav-door.ts'

const KEYS = ['ANNE', 'BOB'].map((accessKey) => ({
  accessKey,
  secretKey: `secret of ${accessKey}`,
  principal: { name: accessKey, kind: 'user' as const },
}))

export const authorization = (accessKey: string): string =>
  `Basic ${Buffer.from(`${accessKey}:secret of ${accessKey}`).toString('base64')}`

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The code in an error's document. */
  readonly code: string | undefined
  readonly xml: () => XmlElement
}

export interface Asking {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  readonly as?: string
}

export interface TestDav extends AsyncDisposable {
  readonly port: number
  readonly fixture: Fixture
  /** `path` is below `/dav`, percent-encoded. */
  ask(method: string, path: string, asking?: Asking): Promise<Answer>
  /** Sends bytes as they are; what comes back until the server closes. */
  raw(text: string): Promise<string>
}

/** A WebDAV server over volumes in memory: "docs", and "other". */
export async function startTestDav({ maxBodyBytes = 2 ** 30 } = {}): Promise<TestDav> {
  const fixture = await openFixture()
  await fixture.volumes.create('other', { chunkSizeBytes: 1024 * 1024 }, { principal: 'tester' })
  const metrics = new PromMetrics()
  const find = (key: string) => KEYS.find(({ accessKey }) => accessKey === key)
  const door = new WebdavDoor({
    volumes: fixture.volumes,
    authenticator: new BasicAuthenticator({ find, clock: nodeClock, metrics }),
    clock: fixture.clock,
    random: nodeRandom,
    uploads: new BodyGate(16),
    limits: { maxBodyBytes },
  })
  const server = new HttpServer({
    doors: [{ prefix: '/', door }],
    limits: { ...DEFAULT_HTTP_LIMITS, bodyIdleMs: 1_000, headersTimeoutMs: 1_000 },
    clock: nodeClock,
    random: nodeRandom,
    log: silentLog,
    metrics: new HttpMetrics(metrics),
    requestLog: 'errors',
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return {
    port,
    fixture,
    ask: (method, path, asking = {}) => ask({ port, path: `/dav${path}`, method }, asking),
    raw: (text) => raw(port, text),
    async [Symbol.asyncDispose]() {
      await server.stop(0)
    },
  }
}

/** Not by fetch, which takes the steps up out of a path. */
async function ask(
  { port, path, method }: { readonly port: number; readonly path: string; readonly method: string },
  { headers = {}, body, as = 'ANNE' }: Asking,
): Promise<Answer> {
  const sent = request({ port, host: '127.0.0.1', path, method, headers: { Authorization: authorization(as), ...headers } })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const text = Buffer.concat(await response.toArray()).toString()
  const code = /<s:code>([A-Z_]+)</.exec(text)?.[1]
  const received = new Headers(Object.entries(response.headers).map(([name, value]) => [name, String(value)]))
  return { status: response.statusCode ?? 0, headers: received, text, code, xml: () => parseXml(Buffer.from(text)) }
}

function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let received = ''
    socket.setEncoding('latin1').on('data', (piece: string) => (received += piece))
    socket.on('close', () => resolve(received)).on('error', reject)
  })
}

/** What a multistatus says: by href and status the properties, as `name` or `name=text`. */
export function propertiesOf(answer: Answer): Record<string, Record<string, string[]>> {
  const all: Record<string, Record<string, string[]>> = {}
  for (const response of answer.xml().children) {
    const find = (element: XmlElement, name: string) => element.children.find((child) => child.name === name)
    const byStatus: Record<string, string[]> = {}
    for (const propstat of response.children.filter(({ name }) => name === 'propstat')) {
      const status = find(propstat, 'status')?.text.split(' ')[1] ?? ''
      byStatus[status] = (find(propstat, 'prop')?.children ?? []).map(show)
    }
    all[find(response, 'href')?.text ?? ''] = byStatus
  }
  return all
}

const show = ({ name, text, children }: XmlElement): string =>
  `${name}${text === '' ? '' : `=${text}`}${children.length === 0 ? '' : `(${children.map(show).join()})`}`
