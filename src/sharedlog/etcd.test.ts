import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createSecureServer } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import { connect as connectTcp, createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import { isShoalError } from '#foundation/errors.ts'
import { makeCertificate } from '#node/make-certificate.ts'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { startEtcdProcess } from '../../test/support/etcd-process.ts'
import type { EtcdProcess } from '../../test/support/etcd-process.ts'
import { EtcdLog } from './etcd.ts'
import type { EtcdLogOptions } from './etcd.ts'
import { logSuite } from './log.suite.ts'

const NEVER = new AbortController().signal

let etcd: EtcdProcess
before(async () => {
  etcd = await startEtcdProcess()
})
after(() => etcd.dispose())

let logs = 0
function freshPrefix(): string {
  logs += 1
  return `log-${logs}/`
}

function connect(prefix: string, options: Partial<EtcdLogOptions> = {}): EtcdLog {
  return new EtcdLog({ endpoints: [etcd.endpoint], prefix, clock: nodeClock, ...options })
}

logSuite('etcd', async () => {
  const prefix = freshPrefix()
  return { connect: () => connect(prefix), leaseMs: 2_000, dispose: async () => {} }
})

test('a reader goes on when what it waits for has been compacted, and when etcd was killed and has come back', async () => {
  const prefix = freshPrefix()
  const [log, other] = [connect(prefix), connect(prefix)]
  const term = await log.lead({ id: 'a', address: 'a' }, NEVER)
  const write = (index: number): Promise<string> =>
    log.append({ epoch: term.epoch, index, bytes: Buffer.from(`entry ${index}`) }).catch((error: unknown) => {
      assert.ok(isShoalError(error, 'UNAVAILABLE'))
      return 'unknown'
    })
  const seen: number[] = []
  const stop = new AbortController()
  const reading = (async () => {
    while (!stop.signal.aborted) {
      try {
        for await (const some of other.read(seen.length + 1, stop.signal)) seen.push(...some.map(({ index }) => index))
      } catch (error) {
        assert.ok(isShoalError(error, 'UNAVAILABLE'))
        await delay(20)
      }
    }
  })()
  for (let index = 1; index <= 10; index += 1) await write(index)
  const { header } = (await etcd.call('kv/range', { key: 'AA==' })) as { header: { revision: string } }
  await etcd.call('kv/compaction', { revision: header.revision })
  await write(11)
  await etcd.kill()
  assert.equal(await write(12), 'unknown')
  await etcd.start()
  while ((await write(12)) === 'unknown') await delay(20)
  while (seen.length < 12) await delay(5)
  stop.abort()
  await reading
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  await Promise.all([log.close(), other.close()])
})

test('an etcd that cannot be reached is UNAVAILABLE, and another of its members is asked', async () => {
  const prefix = freshPrefix()
  const gone = connect(prefix, { endpoints: ['http://127.0.0.1:9'] })
  await assert.rejects(gone.bounds(), (error) => isShoalError(error, 'UNAVAILABLE'))
  await assert.rejects(gone.append({ epoch: 1, index: 1, bytes: Buffer.alloc(1) }), (error) => isShoalError(error, 'UNAVAILABLE'))
  const log = connect(prefix, { endpoints: ['http://127.0.0.1:9', etcd.endpoint] })
  assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
  await Promise.all([gone.close(), log.close()])
})

test('when a connection is dead without a word, the next call takes another one', async (t) => {
  let connections = 0
  const sockets: Socket[] = []
  const proxy = createTcpServer((socket) => {
    sockets.push(socket.on('error', () => {}))
    connections += 1
    if (connections === 1) return
    const onward = connectTcp(Number(new URL(etcd.endpoint).port), '127.0.0.1').on('error', () => {})
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  const log = connect(freshPrefix(), { endpoints: [`http://127.0.0.1:${port}`], callTimeoutMs: 900 })
  t.after(async () => {
    await log.close()
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  await assert.rejects(log.bounds(), (error) => isShoalError(error, 'UNAVAILABLE'))
  assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
})

test('a reader whose member falls silent without a word reads on from another one within some seconds', async (t) => {
  let isSilent = false
  const sockets: Socket[] = []
  const proxy = createTcpServer((socket) => {
    const onward = connectTcp(Number(new URL(etcd.endpoint).port), '127.0.0.1')
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.push(from.on('error', () => {}))
      from.on('data', (bytes) => {
        if (!isSilent) to.write(bytes)
      })
    }
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const { port } = proxy.address() as AddressInfo
  const prefix = freshPrefix()
  const [writer, reader] = [connect(prefix), connect(prefix, { endpoints: [`http://127.0.0.1:${port}`, etcd.endpoint] })]
  const stop = new AbortController()
  t.after(async () => {
    stop.abort()
    await Promise.all([writer.close(), reader.close()])
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  const { epoch } = await writer.lead({ id: 'a', address: 'a' }, NEVER)
  await writer.append({ epoch, index: 1, bytes: Buffer.from('before') })
  const seen: string[] = []
  const beganAtMs = performance.now()
  const reading = (async () => {
    for await (const entries of reader.read(1, stop.signal)) {
      seen.push(...entries.map(({ bytes }) => bytes.toString()))
      if (seen.length === 1) {
        isSilent = true
        await writer.append({ epoch, index: 2, bytes: Buffer.from('after') })
      } else break
    }
  })()
  await reading
  assert.deepEqual(seen, ['before', 'after'])
  assert.ok(performance.now() - beganAtMs < 8_000)
})

test('with users, the right password opens the log, also when etcd has forgotten its tokens, and a wrong one is refused', async (t) => {
  const guarded = await startEtcdProcess()
  t.after(() => guarded.dispose())
  for (const [path, body] of [
    ['auth/user/add', { name: 'root', password: 'right' }],
    ['auth/role/add', { name: 'root' }],
    ['auth/user/grant', { user: 'root', role: 'root' }],
    ['auth/enable', {}],
  ] as const) {
    await guarded.call(path, body)
  }
  const open = (password: string): EtcdLog => connect('log/', { endpoints: [guarded.endpoint], user: { name: 'root', password } })
  const [log, wrong] = [open('right'), open('wrong')]
  assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
  await assert.rejects(wrong.bounds(), (error) => isShoalError(error, 'UNAUTHENTICATED'))
  await guarded.kill()
  await guarded.start()
  for (let tries = 0; tries < 3; tries += 1) await log.bounds().catch(() => {})
  assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
  await Promise.all([log.close(), wrong.close()])
})

async function makeTestCertificate(): Promise<TlsPair> {
  return makeCertificate({
    names: { hosts: ['localhost'], addresses: ['127.0.0.1'] },
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 3_600_000,
    serialNumber: randomBytes(8),
  })
}

test('over TLS etcd is believed by the authority that was named, and by no other', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-etcd-tls-'))
  const { certificate, key } = await makeTestCertificate()
  const [certificatePath, keyPath] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')]
  await writeFile(certificatePath, certificate)
  await writeFile(keyPath, key)
  const secure = await startEtcdProcess(['--cert-file', certificatePath, '--key-file', keyPath])
  t.after(async () => {
    await secure.dispose()
    await rm(folder, { recursive: true })
  })
  const [log, stranger] = [{ ca: certificate }, {}].map((tls) => connect('log/', { endpoints: [secure.endpoint], tls }))
  assert.deepEqual(await log?.bounds(), { first: 1, last: 0 })
  await assert.rejects(stranger?.bounds() as Promise<unknown>, (error) => isShoalError(error, 'UNAVAILABLE'))
  await Promise.all([log?.close(), stranger?.close()])
})

test('the certificate that was given is shown', async (t) => {
  const { certificate, key } = await makeTestCertificate()
  const shown: string[] = []
  const server = createSecureServer({ cert: certificate, key, requestCert: true, rejectUnauthorized: false })
  server.on('stream', (stream: ServerHttp2Stream) => {
    const socket = stream.session?.socket
    assert.ok(socket instanceof TLSSocket)
    shown.push(socket.getPeerCertificate().serialNumber)
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    // An empty message: everything in it is zero.
    stream.end(Buffer.alloc(5))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const tls = { ca: certificate, cert: certificate, key }
  const log = connect('log/', { endpoints: [`https://127.0.0.1:${port}`], tls })
  assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
  await log.close()
  assert.deepEqual(shown, [new X509Certificate(certificate).serialNumber])
})

test('members that have come are asked, and those that have gone are not', async () => {
  const log = connect(freshPrefix(), { endpoints: ['http://127.0.0.1:9'] })
  await assert.rejects(log.bounds(), (error) => isShoalError(error, 'UNAVAILABLE'))
  log.useEndpoints([etcd.endpoint])
  assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
  log.useEndpoints(['http://127.0.0.1:9', etcd.endpoint])
  for (let round = 0; round < 3; round += 1) assert.deepEqual(await log.bounds(), { first: 1, last: 0 })
  assert.throws(
    () => log.useEndpoints([]),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
  await log.close()
})

test('appends go to the member that leads as long as it answers, everything else where it went', async (t) => {
  let connections = 0
  const sockets: Socket[] = []
  const proxy = createTcpServer((socket) => {
    connections += 1
    const onward = connectTcp(Number(new URL(etcd.endpoint).port), '127.0.0.1').on('error', () => {})
    sockets.push(socket.on('error', () => {}))
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const leading = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const log = connect(freshPrefix(), { endpoints: [etcd.endpoint, leading] })
  t.after(async () => {
    await log.close()
    proxy.close()
  })
  const { epoch } = await log.lead({ id: 'a', address: 'a' }, NEVER)
  const append = (index: number) => log.append({ epoch, index, bytes: Buffer.alloc(1) })
  log.useLeading('http://127.0.0.1:9')
  assert.equal(await append(1), 'appended')
  log.useLeading(leading)
  await log.bounds()
  assert.equal(connections, 0)
  assert.equal(await append(2), 'appended')
  assert.equal(connections, 1)
  for (const socket of sockets) socket.destroy()
  proxy.close()
  // The first one may have found the connection closed, the second one finds nobody.
  for (let tries = 0; tries < 2; tries += 1)
    await append(3).catch((error: unknown) => assert.ok(isShoalError(error, 'UNAVAILABLE')))
  assert.ok(['appended', 'taken'].includes(await append(3)))
  assert.equal((await log.bounds()).last, 3)
})
