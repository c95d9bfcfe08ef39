import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { loadConfig } from '#config/load-config.ts'
import { isShoalError } from '#foundation/errors.ts'
import { silentLog } from '#observe/log.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeThreads } from '#platform/node-threads.ts'
import type { Threads } from '#platform/threads.ts'
import { startNode } from './start-node.ts'
import type { RunningNode } from './start-node.ts'

const KEYS = { accessKeyId: 'tester', secretAccessKey: 'test-secret' }
const CLIENTS = 12

/** A machine of three cores whose first one is always busy: so there will be two readers. */
class BusyThreads extends NodeThreads {
  override readonly cores: number = 3
  override busyShare(): number {
    return 1
  }
}

let data: string
let node: RunningNode

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-readers-'))
  node = await start(new BusyThreads())
})
after(async () => {
  await node.stop()
  await rm(data, { recursive: true, force: true })
})

async function start(threads: Threads, port = 0): Promise<RunningNode> {
  const { config } = await loadConfig({
    flags: { data, port: String(port), 'shutdown-grace-ms': '2s' },
    env: { SHOAL_ROOT_ACCESS_KEY: KEYS.accessKeyId, SHOAL_ROOT_SECRET_KEY: KEYS.secretAccessKey },
    cwd: '/',
    files: nodeFiles,
  })
  return startNode(config, { log: silentLog, version: '1.2.3', threads })
}

/** A client with one connection at a time. */
class Client {
  readonly s3: S3Client
  /** Which servers have answered: their ids of requests begin alike. */
  readonly servers = new Set<string>()
  requests = 0

  constructor(credentials = KEYS) {
    this.s3 = new S3Client({
      endpoint: node.s3Url,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials,
      maxAttempts: 1,
      requestHandler: { httpAgent: new Agent({ keepAlive: true, maxSockets: 1 }) },
    })
    this.s3.middlewareStack.add(
      (next) => async (args) => {
        this.requests += 1
        const result = await next(args)
        const { headers } = result.response as { headers: Record<string, string> }
        this.servers.add((headers['x-request-id'] ?? headers['x-amz-request-id'] ?? '').split('-')[0] as string)
        return result
      },
      { step: 'deserialize', priority: 'low' },
    )
  }

  async get(key: string): Promise<string | undefined> {
    try {
      const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: key }))
      return await Body?.transformToString()
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined
      throw error
    }
  }

  async put(key: string, body: string): Promise<void> {
    await this.s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: key, Body: body }))
  }

  close(): void {
    this.s3.destroy()
  }
}

async function rest(method: string, path: string, body?: unknown): Promise<string> {
  const response = await fetch(node.url + path, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
    headers: {
      authorization: `Basic ${Buffer.from(`${KEYS.accessKeyId}:${KEYS.secretAccessKey}`).toString('base64')}`,
      'content-type': 'application/json',
    },
  })
  assert.ok(response.ok, `${method} ${path}: ${response.status}`)
  return response.text()
}

/** Clients, and reads until at least three servers answer them. */
async function spread(): Promise<Client[]> {
  const clients = Array.from({ length: CLIENTS }, () => new Client())
  await clients[0]?.put('there', 'yes')
  const seen = new Set<string>()
  const endMs = performance.now() + 20_000
  while (seen.size < 3) {
    assert.ok(performance.now() < endMs, `only ${seen.size} servers`)
    await Promise.all(clients.map((client) => client.get('there')))
    await delay(20)
    for (const { servers } of clients) for (const server of servers) seen.add(server)
  }
  return clients
}

test('when one thread is busy with reads others share them: each sees what was acknowledged by any, and no request fails', async () => {
  const first = new Client()
  await first.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  const clients = await spread()
  const sizes = [10, 4_000, 6_000, 300_000]
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(
      clients.map(async (client, at) => {
        const other = clients[(at + 1 + (round % (CLIENTS - 1))) % CLIENTS] as Client
        const key = `k${at}`
        const body = `${round} ${'.'.repeat(sizes[round % sizes.length] as number)}`
        await client.put(key, body)
        assert.equal(await other.get(key), body)
        await other.s3.send(new HeadObjectCommand({ Bucket: 'bucket', Key: key }))
        if (round % 5 !== 1) return
        await other.s3.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: key }))
        assert.equal(await client.get(key), undefined)
        const { Contents } = await client.s3.send(new ListObjectsV2Command({ Bucket: 'bucket', Prefix: key }))
        assert.ok(Contents?.some(({ Key }) => Key === key) !== true)
      }),
    )
  }
  for (const client of [...clients, first]) client.close()
})

test('the metrics of the node are those of all its threads', async () => {
  const count = async (): Promise<number> => {
    // Servers hand their counts on once a second.
    await delay(1_200)
    const text = await rest('GET', '/metrics')
    const lines = [...text.matchAll(/^shoal_http_requests_total\{door="s3",method="GET",status="200"\} (\d+)$/gm)]
    assert.ok(lines.length === 1 && text.includes('process_cpu_seconds_total'))
    return Number(lines[0]?.[1])
  }
  const clients = await spread()
  const before = await count()
  await Promise.all(clients.map(async (client) => assert.equal(await client.get('there'), 'yes')))
  assert.equal((await count()) - before, CLIENTS)
  for (const client of clients) client.close()
})

test('a key that is disabled opens nothing from then on, and one that is made does, on whichever thread', async () => {
  const warm = await spread()
  for (let round = 0; round < 3; round += 1) {
    const made = JSON.parse(await rest('POST', '/api/v1/keys', { principal: 'root' })) as Record<string, string>
    const clients = Array.from(
      { length: CLIENTS },
      () => new Client({ accessKeyId: made['accessKey'] as string, secretAccessKey: made['secretKey'] as string }),
    )
    await Promise.all(clients.map(async (client) => assert.equal(await client.get('there'), 'yes')))
    await rest('PATCH', `/api/v1/keys/${made['accessKey']}`, { enabled: false })
    await Promise.all(clients.map((client) => assert.rejects(client.get('there'), { name: 'InvalidAccessKeyId' })))
    for (const client of clients) client.close()
  }
  for (const client of warm) client.close()
})

test('who may read is what a bucket says now, on whichever thread', async () => {
  const clients = await spread()
  const anyone = async (): Promise<number[]> =>
    (
      await Promise.all(
        Array.from({ length: CLIENTS }, () => fetch(`${node.s3Url}/bucket/there`, { headers: { connection: 'close' } })),
      )
    ).map(({ status }) => status)
  const policy = (effect: string): string =>
    JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: effect, Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::bucket/*' }],
    })
  for (const [effect, status] of [
    ['Deny', 403],
    ['Allow', 200],
    ['Deny', 403],
  ] as const) {
    await clients[0]?.s3.send(new PutBucketPolicyCommand({ Bucket: 'bucket', Policy: policy(effect) }))
    assert.deepEqual(new Set(await anyone()), new Set([status]))
  }
  for (const client of clients) client.close()
})

test('a port that is shared is taken all the same for everybody else', async () => {
  const other = await mkdtemp(join(tmpdir(), 'shoal-readers-'))
  const { config } = await loadConfig({
    flags: { data: other, port: String(Number(new URL(node.s3Url).port) - 1) },
    env: {},
    cwd: '/',
    files: nodeFiles,
  })
  await assert.rejects(startNode(config, { log: silentLog, version: '1.2.3', threads: new BusyThreads() }), (error) =>
    isShoalError(error, 'UNAVAILABLE'),
  )
  await rm(other, { recursive: true })
})
