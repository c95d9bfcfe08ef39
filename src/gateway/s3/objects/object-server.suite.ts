import { createHash, createHmac, hash } from 'node:crypto'
import { openMemoryChunkStore } from '#chunk/memory.ts'
import { ROOT } from '#access/principal.ts'
import type { PrincipalKey } from '#access/principal.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import { DEFAULT_HTTP_LIMITS } from '#gateway/http/limits.ts'
import { HttpServer } from '#gateway/http/server.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeRandom } from '#platform/node-random.ts'
import type { ObjectOwnership } from '#volume/bucket-settings.ts'
import { ContentKeys } from '#volume/content-cipher.ts'
import { StrongVolumes } from '#volume/strong-volumes.ts'
import { PrincipalNames } from '../access/principal-names.ts'
import { S3Door } from '../s3-door.ts'

const KEYS: readonly PrincipalKey[] = [
  { accessKey: 'TESTKEY', secretKey: 'test-secret-with-40-characters-aaaaaaaaa', principal: ROOT },
  { accessKey: 'OTHERKEY', secretKey: 'other-secret-with-40-characters-aaaaaaaa', principal: { name: 'other', kind: 'user' } },
]

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
  readonly text: string
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Whose key signs it; the first by default. */
  readonly as?: string
  /** The port it is sent to and signed for; the server's own by default. */
  readonly port?: number
}

/** An S3 server over memory on a port of its own, and a client that signs. */
export interface ObjectServer extends AsyncDisposable {
  readonly port: number
  readonly volumes: StrongVolumes
  readonly kv: KeyValueStore
  readonly http: HttpServer
  /** `target` is the raw path with its query. */
  request(method: string, target: string, options?: RequestOptions): Promise<Answer>
}

export interface ObjectServerOptions {
  readonly port?: number
  readonly keys?: readonly PrincipalKey[]
  readonly objectOwnership?: ObjectOwnership
}

export async function startObjectServer(options: ObjectServerOptions = {}): Promise<ObjectServer> {
  const { port = 0, keys = KEYS, objectOwnership = 'BucketOwnerEnforced' } = options
  const clock = nodeClock
  const kv = openMemoryStore()
  const volumes = new StrongVolumes({
    kv,
    chunks: openMemoryChunkStore({ clock }),
    clock,
    random: nodeRandom,
    digests: nodeDigests,
    log: silentLog,
    nodeId: 'node-1',
    changeRingEntries: 10_000,
    uploadExpiryMs: 3_600_000,
    gcGraceMs: 60_000,
    gcIntervalMs: 60_000,
    sweepIntervalMs: 3_600_000,
    writeBufferBytes: 64 * 1024 * 1024,
    contentKeys: new ContentKeys(nodeRandom.bytes(32), nodeRandom),
  })
  const door = new S3Door({
    volumes,
    settleRequest: (_bucket, request, error) => volumes.settleRequest(request, error),
    findKey: (accessKey) => keys.find((key) => key.accessKey === accessKey),
    names: new PrincipalNames(() => keys.map(({ principal }) => principal.name)),
    objectOwnership,
    clock,
    random: nodeRandom,
    log: silentLog,
    limits: { maxBodyBytes: 5 * 2 ** 40, maxConcurrentUploads: 256 },
    region: 'us-east-1',
    domains: [],
  })
  const server = new HttpServer({
    doors: [{ prefix: '/', door }],
    limits: DEFAULT_HTTP_LIMITS,
    clock,
    random: nodeRandom,
    log: silentLog,
    metrics: new HttpMetrics(new PromMetrics()),
    requestLog: 'errors',
  })
  const address = await server.listen({ host: '127.0.0.1', port })
  return {
    port: address.port,
    volumes,
    kv,
    http: server,
    request: (method, target, options = {}) => send(options.port ?? address.port, { method, target, ...options }),
    async [Symbol.asyncDispose]() {
      await server.stop(0)
      await volumes.close()
    },
  }
}

async function send(port: number, request: RequestOptions & { method: string; target: string }): Promise<Answer> {
  const { method, target, body, as } = request
  const key = KEYS.find(({ accessKey }) => accessKey === (as ?? 'TESTKEY')) as PrincipalKey
  const host = `127.0.0.1:${port}`
  const response = await fetch(`http://${host}${target}`, {
    method,
    headers: sign({ ...request, headers: { ...request.headers, host } }, key),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  return { status: response.status, headers: response.headers, bytes, text: bytes.toString() }
}

/** Signature version 4 in the header, as the client of AWS computes it. */
function sign(
  { method, target, headers, body }: RequestOptions & { method: string; target: string; headers: Record<string, string> },
  key: PrincipalKey,
): Record<string, string> {
  const time = new Date(nodeClock.nowMs()).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`
  const payload = hash('sha256', body ?? '', 'hex')
  const signed: Record<string, string> = { ...headers, 'x-amz-date': time, 'x-amz-content-sha256': payload }
  const names = Object.keys(signed).toSorted()
  const [path, query = ''] = target.split('?') as [string, string?]
  const pairs = query === '' ? [] : query.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`))
  const canonical = [
    method,
    path,
    pairs.toSorted().join('&'),
    ...names.map((name) => `${name}:${(signed[name] as string).trim()}`),
    '',
    names.join(';'),
    payload,
  ].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const hmac = (secret: string | Buffer, text: string): Buffer => createHmac('sha256', secret).update(text).digest()
  const signingKey = scope.split('/').reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${key.secretKey}`)
  const signature = hmac(signingKey, toSign).toString('hex')
  const { host: _, ...sent } = signed
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 Credential=${key.accessKey}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}
