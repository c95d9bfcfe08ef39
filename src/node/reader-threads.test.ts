import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
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
} from '@aws-sdk/client-s3'
import { isShoalError } from '#foundation/errors.ts'
import { CLIENTS, Client, restOf, spread, startBusyNode } from './reader-threads.suite.ts'
import type { RunningNode } from './start-node.ts'

let data: string
let node: RunningNode

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-readers-'))
  node = await startBusyNode({ data })
})
after(async () => {
  await node.stop()
  await rm(data, { recursive: true, force: true })
})

test('when one thread is busy with reads others share them: each sees what was acknowledged by any, and no request fails', async () => {
  const first = new Client(node.s3Url)
  await first.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  const clients = await spread(node)
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
    const text = await restOf(node, 'GET', '/metrics')
    const lines = [...text.matchAll(/^shoal_http_requests_total\{door="s3",method="GET",status="200"\} (\d+)$/gm)]
    assert.ok(lines.length === 1 && text.includes('process_cpu_seconds_total'))
    return Number(lines[0]?.[1])
  }
  const clients = await spread(node)
  const before = await count()
  await Promise.all(clients.map(async (client) => assert.equal(await client.get('there'), 'yes')))
  assert.equal((await count()) - before, CLIENTS)
  for (const client of clients) client.close()
})

test('a key that is disabled opens nothing from then on, and one that is made does, on whichever thread', async () => {
  const warm = await spread(node)
  for (let round = 0; round < 3; round += 1) {
    const made = JSON.parse(await restOf(node, 'POST', '/api/v1/keys', { principal: 'root' })) as Record<string, string>
    const credentials = { accessKeyId: made['accessKey'] as string, secretAccessKey: made['secretKey'] as string }
    const clients = Array.from({ length: CLIENTS }, () => new Client(node.s3Url, { credentials }))
    await Promise.all(clients.map(async (client) => assert.equal(await client.get('there'), 'yes')))
    await restOf(node, 'PATCH', `/api/v1/keys/${made['accessKey']}`, { enabled: false })
    await Promise.all(clients.map((client) => assert.rejects(client.get('there'), { name: 'InvalidAccessKeyId' })))
    for (const client of clients) client.close()
  }
  for (const client of warm) client.close()
})

test('who may read is what a bucket says now, on whichever thread', async () => {
  const clients = await spread(node)
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
  const port = String(Number(new URL(node.s3Url).port) - 1)
  await assert.rejects(startBusyNode({ data: other, port }), (error) => isShoalError(error, 'UNAVAILABLE'))
  await rm(other, { recursive: true })
})

test('threads encrypt as the node does, let requests finish when it stops, and leave nothing behind', async () => {
  const other = await mkdtemp(join(tmpdir(), 'shoal-readers-'))
  const flags = { data: other, 'tls-self-signed': 'true' }
  const encrypted = await startBusyNode(flags)
  const ca = await readFile(join(other, 'tls-certificate.pem'))
  const first = new Client(encrypted.s3Url, { ca })
  await first.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  await first.put('large', 'x'.repeat(3_000_000))
  const clients = await spread(encrypted, ca)
  assert.ok(existsSync(join(other, 'threads.sock')))
  const begun = await Promise.all(clients.map(({ s3 }) => s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'large' }))))
  const stopped = encrypted.stop()
  for (const { Body } of begun) assert.equal((await Body?.transformToByteArray())?.length, 3_000_000)
  await stopped
  assert.ok(!existsSync(join(other, 'threads.sock')))
  for (const client of [...clients, first]) client.close()
  // One that was killed leaves its socket.
  await writeFile(join(other, 'threads.sock'), '')
  const next = await startBusyNode(flags)
  for (const client of await spread(next, ca)) client.close()
  await next.stop()
  await rm(other, { recursive: true })
})
