import { ShoalError } from '#foundation/errors.ts'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import { KeySeal } from '#access/key-seal.ts'
import { findIn } from '#access/keyring.ts'
import { KvKeyring } from '#access/kv-keyring.ts'
import { ROOT } from '#access/principal.ts'
import type { PrincipalKey } from '#access/principal.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import { DEFAULT_HTTP_LIMITS } from '#gateway/http/limits.ts'
import type { HttpLimits } from '#gateway/http/limits.ts'
import { HttpServer } from '#gateway/http/server.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { Log, LogFields } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import type { Clock } from '#platform/clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import type { FsckEvent, FsckOptions } from '#volume/fsck.ts'
import type { Volumes } from '#volume/volume.ts'
import type { BackupSource } from './backup-source.ts'
import { HandedFiles } from './handed-files.ts'
import { MemoryCluster } from './memory-cluster.suite.ts'
import { ClassDesk } from '#system/class-desk.ts'
import { SystemRecords } from '#system/system-records.ts'
import { MemoryTracker } from './memory-tracker.suite.ts'
import { MemoryVolumes } from './memory-volumes.suite.ts'
import { RestDoor } from './rest-door.ts'
import type { NodeState, RestLimits, RestServices } from './route.ts'

export const CREDENTIALS: PrincipalKey = {
  accessKey: 'TESTKEY',
  secretKey: 'test-secret-with-40-characters-aaaaaaaaa',
  principal: ROOT,
}
export const AUTHORIZATION = `Basic ${Buffer.from(`${CREDENTIALS.accessKey}:${CREDENTIALS.secretKey}`).toString('base64')}`

export interface LogLine extends LogFields {
  readonly level: string
  readonly message: string
}

/** A REST server over memory on a port of its own. */
/** One chunk, and metadata in two pieces. */
const TEST_BACKUP: BackupSource = {
  async openMetadata() {
    return (async function* () {
      yield Buffer.from('meta')
      yield Buffer.from('data')
    })()
  },
  async readChunk(id) {
    if (id === 'a'.repeat(64)) return Buffer.from('chunk')
    throw new ShoalError('CHUNK_MISSING', `There is no chunk ${id}`)
  },
}

export interface TestServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  readonly server: HttpServer
  readonly volumes: MemoryVolumes
  /** With `/handed`, where files are handed over. */
  readonly files: MemoryFiles
  readonly log: LogLine[]
  readonly finished: Exchange[]
  state: NodeState
  stopping(): void
  /** Sends bytes as they are, and answers all that comes until the server closes, or `until` is seen. */
  raw(
    text: string | Buffer | readonly (string | Buffer)[],
    options?: { readonly until?: RegExp; readonly keepOpen?: boolean },
  ): Promise<string>
  /** With `allowHalfOpen` our side stays open when the server has closed its own. */
  dial(options?: { readonly allowHalfOpen: boolean }): Promise<Socket>
}

export async function startTestServer(
  options: {
    readonly limits?: Partial<HttpLimits>
    readonly rest?: Partial<RestLimits>
    readonly volumes?: Volumes
    readonly settleRequest?: NonNullable<RestServices['settleRequest']>
    readonly remembers?: NonNullable<RestServices['remembers']>
    readonly requestLog?: 'all' | 'errors'
    /** False keeps no finished exchanges: for benchmarks. */
    readonly observe?: boolean
    readonly clock?: Clock
  } = {},
): Promise<TestServer> {
  const volumes = new MemoryVolumes()
  const { clock = nodeClock } = options
  const log: LogLine[] = []
  const finished: Exchange[] = []
  const metrics = new PromMetrics()
  const httpMetrics = new HttpMetrics(metrics)
  const stopping = new AbortController()
  const keyring: KvKeyring = await KvKeyring.open({
    kv: openMemoryStore(),
    seal: new KeySeal(Buffer.alloc(32), nodeRandom),
    clock,
    random: nodeRandom,
    changed: () => authenticator.forget(),
  })
  const authenticator = new BasicAuthenticator({ find: findIn(CREDENTIALS, keyring), clock, metrics })
  const records = await SystemRecords.open(openMemoryStore())
  const classes = new ClassDesk({
    records,
    volumesOf: async (name) => (name === 'used' ? ['docs'] : []),
    changed: async () => {},
    freeBytes: () => 1_000,
  })
  const files = new MemoryFiles()
  const services: RestServices = {
    handed: await HandedFiles.open(files, '/handed'),
    classes,
    volumes: options.volumes ?? volumes,
    ...(options.settleRequest === undefined ? {} : { settleRequest: options.settleRequest }),
    ...(options.remembers === undefined ? {} : { remembers: options.remembers }),
    authenticator,
    keyring,
    cluster: new MemoryCluster(),
    tracker: new MemoryTracker(),
    backup: TEST_BACKUP,
    clock,
    random: nodeRandom,
    log: recordingLog(log),
    metrics,
    httpMetrics,
    limits: { maxBodyBytes: 5 * 2 ** 40, maxConcurrentUploads: 256, ...options.rest },
    stopping: stopping.signal,
    state: () => test.state,
    status: async () => ({
      version: '0',
      nodeId: 'n',
      clusterId: 'c',
      startedAt: '',
      uptimeSeconds: 0,
      state: test.state,
      volumes: 0,
      usage: { bytes: 0, files: 0 },
      chunks: { chunks: 0, liveBytes: 0, storedBytes: 0, capacityBytes: 0, freeBytes: 0 },
      garbage: { chunks: 0, hasMore: false },
      metadata: { mode: 'home' },
      uploads: 0,
      changes: { cursor: '0' },
      clocks: [],
    }),
    fsck: fsckLines,
  }
  const server = new HttpServer({
    doors: [{ prefix: '/', door: new RestDoor(services) }],
    limits: { ...DEFAULT_HTTP_LIMITS, ...options.limits },
    clock,
    random: nodeRandom,
    log: recordingLog(log),
    metrics: httpMetrics,
    requestLog: options.requestLog ?? 'errors',
    ...(options.observe === false ? {} : { observer: (exchange: Exchange) => finished.push(exchange) }),
  })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  const test: TestServer = {
    port,
    url: `http://127.0.0.1:${port}`,
    server,
    volumes,
    files,
    log,
    finished,
    state: 'serving',
    stopping: () => stopping.abort(),
    raw: (text, rawOptions = {}) => sendRaw(port, Array.isArray(text) ? text : [text as string], rawOptions),
    dial: (dialled) => dial(port, dialled),
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await server.stop(0)
    },
  }
  await volumes.create('docs', {})
  return test
}

async function* fsckLines({ repair = false }: FsckOptions): AsyncIterable<FsckEvent> {
  yield { kind: 'progress', phase: 'chunks', done: 1 }
  yield {
    kind: 'finding',
    problem: 'attributes-wrong',
    where: 'docs:/x',
    detail: 'nothing names it',
    repairable: true,
    repaired: repair,
  }
  yield {
    kind: 'result',
    clean: false,
    findings: 1,
    repaired: repair ? 1 : 0,
    orphanChunks: 0,
    orphanBytes: 0,
    forgottenChunks: 0,
  }
}

function recordingLog(lines: LogLine[], base: LogFields = {}): Log {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push({ ...base, ...fields, level, message })
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => recordingLog(lines, { ...base, ...fields }),
  }
}

async function dial(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

async function sendRaw(
  port: number,
  pieces: readonly (string | Buffer)[],
  options: { readonly until?: RegExp; readonly keepOpen?: boolean },
): Promise<string> {
  const socket = await dial(port)
  let received = ''
  const done = new Promise<void>((resolve) => {
    const late = setTimeout(resolve, 5000)
    const finish = () => {
      clearTimeout(late)
      resolve()
    }
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (options.until?.test(received) === true) finish()
    })
    socket.on('close', finish)
  })
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise((resolve) => setTimeout(resolve, pieces.length > 1 ? 30 : 0))
  }
  if (options.keepOpen === false) socket.end()
  await done
  socket.destroy()
  return received
}
