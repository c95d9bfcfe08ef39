// Load through a stock S3 client, with a memory of what was acknowledged.

import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'

const SIZES_BYTES = [100, 3_000, 70_000, 300_000, 2_500_000]
/** How long a client goes on with one request at one endpoint after the other. */
const PATIENCE_MS = 45_000
/** An endpoint that failed is left alone for so long, if there is another one. */
const AVOIDED_MS = 1_000
/** So is one that owes an answer for longer than this. */
const SLOW_MS = 1_500
/** So many workers wait for one endpoint, or a node that says nothing would have them all in a moment. */
const WAITING_MAX = 2
const READ_SHARE = 0.5

export interface LoadReport {
  /** Requests that were answered with success, by whichever endpoint. */
  readonly done: number
  /** Requests that the client, with its own retries, gave up at one endpoint, and then asked the next one. */
  readonly moved: number
  /** Requests that none of the endpoints had answered when the patience was over. */
  readonly failed: readonly string[]
  /** From the first try to the answer. */
  readonly slowestMs: number
}

/** Writes objects of their own name and contents, each once, and reads them again, until told to stop. */
export class S3Load {
  readonly #bucket: string
  readonly #clients: readonly S3Client[]
  readonly #workers: readonly Promise<void>[]
  readonly #written = new Map<string, string>()
  readonly #failed: string[] = []
  readonly #reasons = new Map<string, number>()
  readonly #avoidedUntilMs: number[] = []
  /** Since when each endpoint owes answers. */
  readonly #owed: readonly Set<{ readonly sinceMs: number }>[]
  #isOver = false
  #done = 0
  #moved = 0
  #slowestMs = 0
  #objects = 0

  /** @param endpoints of nodes; each worker begins at another one */
  static async start(endpoints: readonly string[], { workers = 4 }: { readonly workers?: number } = {}): Promise<S3Load> {
    const clients = endpoints.map(stockClient)
    const bucket = `load-${randomUUID()}`
    await (clients[0] as S3Client).send(new CreateBucketCommand({ Bucket: bucket }))
    return new S3Load(bucket, clients, workers)
  }

  private constructor(bucket: string, clients: readonly S3Client[], workers: number) {
    this.#bucket = bucket
    this.#clients = clients
    this.#owed = clients.map(() => new Set())
    this.#workers = Array.from({ length: workers }, (_, at) => this.#work(at))
  }

  get acknowledged(): number {
    return this.#written.size
  }

  /** Since the start. */
  report(): LoadReport {
    return { done: this.#done, moved: this.#moved, failed: [...this.#failed], slowestMs: Math.round(this.#slowestMs) }
  }

  /** What clients were told when they went on to the next endpoint, and how often. */
  get reasons(): ReadonlyMap<string, number> {
    return this.#reasons
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<LoadReport> {
    this.#isOver = true
    await Promise.all(this.#workers)
    return this.report()
  }

  /** Reads every object whose write was acknowledged, exact, from each of the endpoints in turn. @throws if one is not there */
  async verify(): Promise<number> {
    const objects = [...this.#written]
    let next = 0
    const lane = async (): Promise<void> => {
      for (let at = next++; at < objects.length; at = next++) {
        const [key, digest] = objects[at] as [string, string]
        const found = await this.#ask(at % this.#clients.length, (client) => this.#digestOf(client, key), `check ${key}`)
        assert.equal(found, digest, `${key}, whose write was acknowledged, has its bytes`)
      }
    }
    await Promise.all(Array.from({ length: 4 }, lane))
    return objects.length
  }

  close(): void {
    for (const client of this.#clients) client.destroy()
  }

  async #work(worker: number): Promise<void> {
    for (let turn = worker; !this.#isOver; turn += 1) {
      const first = turn % this.#clients.length
      try {
        const known = [...this.#written.keys()]
        const key = known[Math.floor(Math.random() * known.length)]
        if (key !== undefined && Math.random() < READ_SHARE) await this.#read(first, key)
        else await this.#write(first)
      } catch (error) {
        this.#failed.push(String(error))
      }
    }
  }

  async #write(first: number): Promise<void> {
    this.#objects += 1
    const key = `object-${this.#objects}`
    const body = contentsOf(key, SIZES_BYTES[this.#objects % SIZES_BYTES.length] as number)
    const put = (client: S3Client) => client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body }))
    await this.#ask(first, put, `PUT ${key} (${body.length} bytes)`)
    this.#written.set(key, sha256(body))
  }

  async #read(first: number, key: string): Promise<void> {
    const found = await this.#ask(first, (client) => this.#digestOf(client, key), `GET ${key}`)
    if (found !== this.#written.get(key)) this.#failed.push(`GET ${key} gave other bytes than were written`)
  }

  /** Of one endpoint after the other, each with the retries that the client has by default. */
  async #ask<T>(first: number, ask: (client: S3Client) => Promise<T>, what: string): Promise<T> {
    const beganMs = performance.now()
    for (let tries = 0; ; tries += 1) {
      const endpoint = this.#choose(first + tries)
      const owed = { sinceMs: performance.now() }
      this.#owed[endpoint]?.add(owed)
      try {
        const answer = await ask(this.#clients[endpoint] as S3Client)
        this.#done += 1
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - beganMs)
        return answer
      } catch (error) {
        this.#moved += 1
        this.#avoidedUntilMs[endpoint] = performance.now() + AVOIDED_MS
        const reason = reasonOf(error)
        this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1)
        if (performance.now() - beganMs > PATIENCE_MS) throw new Error(`${what}: ${reason}`, { cause: error })
        await delay(50)
      } finally {
        this.#owed[endpoint]?.delete(owed)
      }
    }
  }

  async #digestOf(client: S3Client, key: string): Promise<string> {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key }))
    return sha256((await Body?.transformToByteArray()) ?? new Uint8Array())
  }

  #choose(first: number): number {
    const endpoints = this.#clients.map((_, at) => (first + at) % this.#clients.length)
    const nowMs = performance.now()
    const isFine = (at: number): boolean => {
      const owed = [...(this.#owed[at] ?? [])]
      const isSlow = owed.some(({ sinceMs }) => nowMs - sinceMs >= SLOW_MS)
      return (this.#avoidedUntilMs[at] ?? 0) < nowMs && owed.length < WAITING_MAX && !isSlow
    }
    return endpoints.find(isFine) ?? (endpoints[0] as number)
  }
}

function stockClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    // A process that is stopped keeps its connections and answers nothing.
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 8_000, throwOnRequestTimeout: true },
  })
}

function reasonOf(error: unknown): string {
  const { name, message, code, $metadata } = error as Error & { code?: string; $metadata?: { httpStatusCode?: number } }
  return [$metadata?.httpStatusCode, name, code, message]
    .filter((part) => part !== undefined)
    .join(' ')
    .replaceAll(/\d{5,}/g, '…')
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Different for each name, so that no chunk serves two of them. */
function contentsOf(key: string, lengthBytes: number): Buffer {
  const block = createHash('sha256').update(key).digest()
  const bytes = Buffer.alloc(lengthBytes, block)
  for (let at = 0; at + 4 <= lengthBytes; at += 4_096) bytes.writeUInt32LE(at, at)
  return bytes
}
