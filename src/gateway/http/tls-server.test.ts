import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { afterEach, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { makeCertificate } from '#node/make-certificate.ts'
import type { LogFields } from '#observe/log.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import type { Door } from './door.ts'
import { HttpMetrics } from './http-metrics.ts'
import { inspectPair } from './inspect-pair.ts'
import { DEFAULT_HTTP_LIMITS } from './limits.ts'
import type { HttpLimits } from './limits.ts'
import { HttpServer } from './server.ts'
import { TlsMaterial } from './tls-material.ts'
import type { TlsPair } from './tls-material.ts'

let pair: TlsPair
let other: TlsPair
const open: { stop(): Promise<void> }[] = []

const make = () =>
  makeCertificate({
    names: { hosts: ['localhost'], addresses: ['127.0.0.1'] },
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 86_400_000,
    serialNumber: nodeRandom.bytes(8),
  })

before(async () => {
  ;[pair, other] = await Promise.all([make(), make()])
})
afterEach(async () => {
  for (const each of open.splice(0)) await each.stop()
})

/** Answers with the body that it got. */
const echo: Door = {
  name: 'echo',
  async handle(exchange) {
    const pieces: Buffer[] = []
    for await (const piece of exchange.body()) pieces.push(Buffer.from(piece))
    exchange.send(200, [], Buffer.concat(pieces))
  },
  fail: (exchange, error) => exchange.send(500, [], error.message),
}

async function start(limits: Partial<HttpLimits> = {}) {
  const log: { message: string; fields: LogFields }[] = []
  const metrics = new PromMetrics()
  const material = new TlsMaterial(pair)
  const httpMetrics = new HttpMetrics(metrics)
  const server = new HttpServer({
    doors: [{ prefix: '/', door: echo }],
    limits: { ...DEFAULT_HTTP_LIMITS, ...limits },
    clock: nodeClock,
    random: nodeRandom,
    log: { ...silentLog, info: (message, fields = {}) => void log.push({ message, fields }) },
    metrics: httpMetrics,
    requestLog: 'errors',
    tls: material,
  })
  open.push({ stop: () => server.stop(0) })
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { server, port, material, log, metrics, httpMetrics }
}

async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca: [pair.certificate, other.certificate], ...options })
  await Promise.race([
    once(socket, 'secureConnect'),
    once(socket, 'error').then(([error]) => {
      throw error as Error
    }),
  ])
  socket.on('error', () => {})
  return socket
}

async function ask(
  port: number,
  agent: Agent,
  body: Buffer | string = '',
): Promise<{ status: number; body: Buffer; shown: string }> {
  const sent = request({ host: '127.0.0.1', port, method: 'PUT', path: '/x', agent })
  sent.end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { fingerprint256 } = (response.socket as TLSSocket).getPeerCertificate()
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece as Buffer)
  return { status: response.statusCode ?? 0, body: Buffer.concat(pieces), shown: fingerprint256 }
}

async function untilClosed(port: number, bytes: string | Buffer = ''): Promise<string> {
  const socket = connectPlain(port, '127.0.0.1')
  socket.on('error', () => {})
  let received = ''
  socket.on('data', (piece) => (received += piece.toString('latin1')))
  socket.write(bytes)
  await once(socket, 'close', { signal: AbortSignal.timeout(5000) })
  return received
}

test('bodies go through TLS in both directions, and are counted', async () => {
  const { port, metrics, httpMetrics } = await start()
  const agent = new Agent({ ca: pair.certificate, keepAlive: true })
  const body = nodeRandom.bytes(3_000_000)
  assert.deepEqual((await ask(port, agent, body)).body, body)
  assert.equal((await ask(port, agent, 'small')).body.toString(), 'small')
  agent.destroy()
  await delay(10)
  httpMetrics.flush()
  const { body: exposed } = await metrics.expose()
  for (const name of ['received', 'sent']) {
    const bytes = Number(new RegExp(`shoal_http_${name}_bytes_total\\{door="echo"\\} (\\S+)`).exec(exposed)?.[1])
    assert.ok(bytes > 3_000_000 && bytes < 3_200_000, `${name}: ${bytes}`)
  }
})

test('TLS 1.2 and 1.3 are spoken with fresh keys, and nothing older', async () => {
  const { port } = await start()
  const old = await shake(port, { maxVersion: 'TLSv1.2' })
  assert.match(old.getCipher().name, /^ECDHE-.*(GCM|POLY1305)/)
  assert.equal(old.getProtocol(), 'TLSv1.2')
  old.destroy()
  const current = await shake(port)
  assert.deepEqual([current.getProtocol(), current.getCipher().name], ['TLSv1.3', 'TLS_AES_128_GCM_SHA256'])
  current.destroy()
  await assert.rejects(shake(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }))
  await assert.rejects(shake(port, { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }))
})

test('who offers HTTP/2 gets HTTP/1.1, and who wants nothing else is told at once', async () => {
  const { port } = await start()
  const both = await shake(port, { ALPNProtocols: ['h2', 'http/1.1'] })
  assert.equal(both.alpnProtocol, 'http/1.1')
  both.destroy()
  await assert.rejects(shake(port, { ALPNProtocols: ['h2'] }), /no application protocol/i)
})

test('plain HTTP on a port of TLS is answered with what to do', async () => {
  const { port } = await start()
  for (const method of ['GET', 'PROPFIND', 'get']) {
    const answer = await untilClosed(port, `${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 400 [^]*write https:\/\/ instead of http:\/\//)
  }
})

test('what is neither TLS nor HTTP is cut, and logged once a minute', async () => {
  const { port, log } = await start()
  for (let times = 0; times < 3; times += 1) {
    const answer = await untilClosed(port, Buffer.from([0x16, 3, 1, 0, 4, 1, 2, 3, 4]))
    assert.doesNotMatch(answer, /HTTP/)
    await untilClosed(port, Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
  }
  assert.equal(log.filter(({ message }) => message === 'TLS handshakes failed').length, 1)
})

test('a client that says nothing, half a handshake, or nothing behind plain HTTP, is cut', async () => {
  const { port } = await start({ handshakeTimeoutMs: 200 })
  const startedMs = performance.now()
  await Promise.all([
    untilClosed(port),
    untilClosed(port, Buffer.from([0x16])),
    untilClosed(port, Buffer.from([0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc])),
    untilClosed(port, 'GET '),
  ])
  assert.ok(performance.now() - startedMs < 2000)
})

test('a handshake that comes byte by byte succeeds', async () => {
  const { port } = await start()
  const relay = connectPlain(port, '127.0.0.1')
  await once(relay, 'connect')
  relay.setNoDelay(true)
  const { Duplex } = await import('node:stream')
  const slow = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      void (async () => {
        const slowly = Math.min(12, chunk.length)
        for (let at = 0; at < slowly; at += 1) {
          relay.write(chunk.subarray(at, at + 1))
          await delay(1)
        }
        if (chunk.length > slowly) relay.write(chunk.subarray(slowly))
        done()
      })()
    },
  })
  relay.on('data', (piece) => slow.push(piece))
  const socket = await shake(port, { socket: slow, servername: 'localhost' })
  assert.equal(socket.authorized, true)
  socket.destroy()
  relay.destroy()
})

test('another certificate is shown in new handshakes, and connections that are open go on', async () => {
  const { port, material } = await start()
  const ca = [pair.certificate, other.certificate]
  const kept = new Agent({ ca, keepAlive: true, maxSockets: 1 })
  const first = await ask(port, kept)
  material.replace(other)
  assert.equal((await ask(port, kept)).shown, first.shown)
  const fresh = new Agent({ ca, maxCachedSessions: 0 })
  assert.equal((await ask(port, fresh)).shown, inspectPair(other).fingerprint)
  assert.equal(first.shown, inspectPair(pair).fingerprint)
  kept.destroy()
  fresh.destroy()
})

test('a client cannot have a second handshake on a connection', async () => {
  const { port } = await start()
  const socket = await shake(port, { maxVersion: 'TLSv1.2' })
  const again = new Promise((resolve) => {
    socket.once('close', () => resolve('closed'))
    if (!socket.renegotiate({}, (error) => resolve(error === null ? 'renegotiated' : 'refused'))) resolve('refused')
  })
  assert.notEqual(await Promise.race([again, delay(500, 'ignored')]), 'renegotiated')
  socket.destroy()
})

test('the end does not wait for connections in the middle of their handshake', async () => {
  const { server, port } = await start()
  const silent = connectPlain(port, '127.0.0.1')
  const halfway = connectPlain(port, '127.0.0.1')
  for (const socket of [silent, halfway]) socket.on('error', () => {})
  halfway.write(Buffer.from([0x16, 3, 1, 1, 0, 1]))
  await delay(50)
  const startedMs = performance.now()
  await server.stop(5000)
  assert.ok(performance.now() - startedMs < 1000)
  silent.destroy()
  halfway.destroy()
})
