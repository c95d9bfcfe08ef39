// A node on a machine that seems to have three cores, the first of them always busy: so it soon has two reader threads.

import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { loadConfig } from '#config/load-config.ts'
import { silentLog } from '#observe/log.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeThreads } from '#platform/node-threads.ts'
import { startNode } from './start-node.ts'
import type { NodePorts } from './node-ports.ts'
import type { RunningNode } from './start-node.ts'

export const KEYS = { accessKeyId: 'tester', secretAccessKey: 'test-secret' }

export const AUTHORIZATION = `Basic ${Buffer.from(`${KEYS.accessKeyId}:${KEYS.secretAccessKey}`).toString('base64')}`

export class BusyThreads extends NodeThreads {
  override readonly cores: number = 3
  override busyShare(): number {
    return 1
  }
  override idleCores(): number {
    return 1
  }
}

export async function startBusyNode(
  flags: Readonly<Record<string, string>>,
  ports: Pick<NodePorts, 'threads' | 'log'> = { threads: new BusyThreads(), log: silentLog },
): Promise<RunningNode> {
  const { config } = await loadConfig({
    flags: { port: '0', 'shutdown-grace-ms': '2s', ...flags },
    env: { SHOAL_ROOT_ACCESS_KEY: KEYS.accessKeyId, SHOAL_ROOT_SECRET_KEY: KEYS.secretAccessKey },
    cwd: '/',
    files: nodeFiles,
  })
  return startNode(config, { ...ports, version: '1.2.3' })
}

/** A client with one connection at a time. */
export class Client {
  readonly s3: S3Client
  /** Which servers have answered: their ids of requests begin alike. */
  readonly servers = new Set<string>()

  constructor(endpoint: string, { credentials = KEYS, ca }: { credentials?: typeof KEYS; ca?: Buffer } = {}) {
    const agent = { keepAlive: true, maxSockets: 1 }
    this.s3 = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials,
      maxAttempts: 1,
      requestHandler: ca === undefined ? { httpAgent: new Agent(agent) } : { httpsAgent: new TlsAgent({ ...agent, ca }) },
    })
    this.s3.middlewareStack.add(
      (next) => async (args) => {
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

export const CLIENTS = 12

/** Asks over REST, and answers what came. */
export async function restOf({ url }: Pick<RunningNode, 'url'>, method: string, path: string, body?: unknown): Promise<string> {
  const response = await fetch(url + path, {
    method,
    body: body === undefined ? null : JSON.stringify(body),
    headers: { authorization: AUTHORIZATION, 'content-type': 'application/json' },
  })
  assert.ok(response.ok, `${method} ${path}: ${response.status}`)
  return response.text()
}

/** Clients, and reads until three servers have answered them. */
export async function spread({ s3Url }: Pick<RunningNode, 's3Url'>, ca?: Buffer): Promise<Client[]> {
  const clients = Array.from({ length: CLIENTS }, () => new Client(s3Url, ca === undefined ? {} : { ca }))
  await clients[0]?.put('there', 'yes')
  const seen = new Set<string>()
  const endMs = performance.now() + 60_000
  while (seen.size < 3) {
    assert.ok(performance.now() < endMs, `only ${seen.size} servers`)
    await Promise.all(clients.map((client) => client.get('there')))
    await delay(20)
    for (const { servers } of clients) for (const server of servers) seen.add(server)
  }
  return clients
}
