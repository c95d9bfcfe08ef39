import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { nodeRandom } from '#platform/node-random.ts'
import { makeCertificate } from './make-certificate.ts'
import { AUTHORIZATION, Client, restOf, spread, startBusyNode } from './reader-threads.suite.ts'
import type { RunningNode } from './start-node.ts'

const makeFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'shoal-readers-'))

async function makeBucket({ s3Url }: Pick<RunningNode, 's3Url'>, ca?: Buffer): Promise<void> {
  const client = new Client(s3Url, ca === undefined ? {} : { ca })
  await client.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  client.close()
}

async function returnedReads(node: RunningNode): Promise<number> {
  const text = await restOf(node, 'GET', '/metrics')
  return Number(/^shoal_reader_threads_returned_reads (\d+)$/m.exec(text)?.[1])
}

test('contents of any length are read by whichever thread, over S3, REST and WebDAV', async () => {
  const data = await makeFolder()
  const node = await startBusyNode({ data })
  await makeBucket(node)
  const clients = await spread(node)
  const bodies = [1_000, 6_000, 300_000, 2_500_000].map((length, at) => `${at}`.repeat(length))
  for (const [at, body] of bodies.entries()) await clients[0]?.put(`k${at}`, body)
  const before = await returnedReads(node)
  const servers = new Set<string>()
  const fetched = async (path: string): Promise<string> => {
    const response = await fetch(node.url + path, { headers: { authorization: AUTHORIZATION, connection: 'close' } })
    assert.equal(response.status, 200)
    servers.add(response.headers.get('x-request-id')?.split('-')[0] as string)
    return response.text()
  }
  for (const [at, body] of bodies.entries()) {
    await Promise.all(clients.map(async (client) => assert.ok((await client.get(`k${at}`)) === body)))
    for (let round = 0; round < 4; round += 1) {
      assert.ok((await fetched(`/api/v1/volumes/bucket/files/k${at}`)) === body)
      assert.ok((await fetched(`/dav/bucket/k${at}`)) === body)
      assert.ok((await fetched(`/api/v1/volumes/bucket/attributes/k${at}`)).includes(String(body.length)))
      assert.ok((await fetched('/api/v1/volumes/bucket/entries/')).includes(`k${at}`))
    }
  }
  assert.equal(servers.size, 3)
  // A request may come while keys are read anew, or LMDB is written past the journal.
  assert.ok((await returnedReads(node)) - before < 5)
  assert.equal(JSON.parse(await fetched('/api/v1/status')).state, 'serving')
  for (const client of clients) client.close()
  await node.stop()
  await rm(data, { recursive: true })
})

test('a certificate that is replaced is shown by all threads from then on', async () => {
  const data = await makeFolder()
  const [cert, key] = [join(data, 'cert.pem'), join(data, 'key.pem')]
  const replace = async (): Promise<{ ca: Buffer; serial: string }> => {
    const pair = await makeCertificate({
      names: { hosts: ['localhost'], addresses: ['127.0.0.1'] },
      notBeforeMs: Date.now() - 86_400_000,
      notAfterMs: Date.now() + 86_400_000,
      serialNumber: nodeRandom.bytes(8),
    })
    await writeFile(cert, pair.certificate)
    await writeFile(key, pair.key, { mode: 0o600 })
    return { ca: Buffer.from(pair.certificate), serial: new X509Certificate(pair.certificate).serialNumber }
  }
  const first = await replace()
  const node = await startBusyNode({ data: join(data, 'node'), 'tls-cert': cert, 'tls-key': key })
  await makeBucket(node, first.ca)
  for (const client of await spread(node, first.ca)) client.close()
  const second = await replace()
  await node.tls?.reload()
  const shown = async (url: string): Promise<string[]> => {
    const port = Number(new URL(url).port)
    return [...new Set(await Promise.all(Array.from({ length: 30 }, () => serialAt(port))))]
  }
  // A thread is told by a message.
  const endMs = performance.now() + 5_000
  while ((await shown(node.s3Url)).includes(first.serial)) assert.ok(performance.now() < endMs)
  for (const url of [node.s3Url, node.url]) assert.deepEqual(await shown(url), [second.serial])
  await node.stop()
  await rm(data, { recursive: true })
})

async function serialAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}

function start(data: string, ...rest: string[]): ChildProcess {
  const module = fileURLToPath(new URL('./reader-threads.child.ts', import.meta.url))
  return fork(module, [data, ...rest], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
}

async function urlOf(child: ChildProcess): Promise<string> {
  const [line] = await once(child.stdout as NodeJS.EventEmitter, 'data')
  return String(line).trim()
}

test('a node that is killed with its threads has all that was acknowledged when it is started again, and threads too', async () => {
  const data = await makeFolder()
  const killed = start(data)
  const s3Url = await urlOf(killed)
  await makeBucket({ s3Url })
  const clients = await spread({ s3Url })
  const acknowledged = new Map<string, string>()
  const writing = clients.map(async (client, at) => {
    for (let round = 0; ; round += 1) {
      const body = `${at} ${round} `.repeat(round % 2 === 0 ? 100 : 5_000)
      try {
        await client.put(`k${at}-${round}`, body)
      } catch {
        return
      }
      acknowledged.set(`k${at}-${round}`, body)
    }
  })
  while (acknowledged.size < 80) await delay(10)
  killed.kill('SIGKILL')
  await Promise.all(writing)
  for (const client of clients) client.close()
  const node = await startBusyNode({ data })
  const others = await spread(node)
  for (const [key, body] of acknowledged) {
    const client = others[key.length % others.length] as Client
    assert.equal(await client.get(key), body)
  }
  for (const client of others) client.close()
  await node.stop()
  await rm(data, { recursive: true })
})

test('a defect in a thread that runs ends the node, which says what it was', async () => {
  const data = await makeFolder()
  const child = start(data, 'crash')
  let said = ''
  child.stderr?.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = once(child, 'exit')
  const s3Url = await urlOf(child)
  const clients = [new Client(s3Url), new Client(s3Url)]
  let isOver = false
  const reading = clients.map(async (client) => {
    while (!isOver) await client.get('there').catch(() => delay(10))
  })
  const [code] = await ended
  isOver = true
  await Promise.all(reading)
  assert.notEqual(code, 0)
  assert.match(said, /planned/)
  for (const client of clients) client.close()
  await rm(data, { recursive: true })
})
