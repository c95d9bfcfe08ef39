// Nodes of one cluster in processes of their own, for what any of them takes.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Cli } from '../integration/cli-process.ts'
import type { NodePlace } from '../cluster/process-cluster.ts'
import type { NodeFaults } from './faulty-node.ts'
import { AUTHORIZATION, freePort, startNodeProcess } from './node-process.ts'
import type { NodeProcess } from './node-process.ts'

export interface Asked {
  readonly method?: string
  readonly body?: string | Uint8Array
  readonly headers?: Record<string, string>
}

/** Nodes that are started together: each takes a core for some seconds, and has to be ready in time. */
const AT_ONCE = 3

export interface EventualNodesOptions {
  /** Of the node: a fault or several. */
  readonly faultsOf?: (at: number) => NodeFaults
  /** Where each listens; on a free port of loopback unless given. */
  readonly placeOf?: (at: number) => NodePlace | undefined
  /** Where their data lies; among the system's temporary files unless given. */
  readonly within?: string
}

export class EventualNodes {
  readonly folder: string
  readonly nodes: (NodeProcess & { readonly port: number })[] = []
  readonly #options: EventualNodesOptions

  static async found(options: EventualNodesOptions = {}): Promise<EventualNodes> {
    const cluster = new EventualNodes(await mkdtemp(join(options.within ?? tmpdir(), 'shoal-eventual-')), options)
    await cluster.start(0)
    return cluster
  }

  private constructor(folder: string, options: EventualNodesOptions) {
    this.folder = folder
    this.#options = options
  }

  dataOf(at: number): string {
    return join(this.folder, `node-${at}`)
  }

  /** Lets `count` further nodes in. */
  async grow(count: number): Promise<void> {
    const first = this.nodes.length
    const token = await this.token(count)
    for (let from = 0; from < count; from += AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, at) => this.join(first + from + at, token)))
  }

  /** A clock may be hours off from that of who shows it. */
  async token(uses: number): Promise<string> {
    const line = await this.cli(0).run('cluster', 'token', '--uses', String(uses), '--expires', '12h')
    return line.trimEnd().split('\n').at(-1) as string
  }

  /** Lets a node in that has no data. */
  async join(at: number, token: string): Promise<void> {
    const { origin, port } = this.nodes[0] as (typeof this.nodes)[0]
    await this.start(at, { token, flags: ['--join', `${new URL(origin).hostname}:${port + 2}`] })
  }

  /** Starts a node for the first time, or again on what it has. */
  async start(at: number, { token, flags = [] }: { token?: string; flags?: readonly string[] } = {}): Promise<void> {
    const { faultsOf, placeOf } = this.#options
    const place = placeOf?.(at)
    const port = place?.port ?? this.nodes[at]?.port ?? (await freePort())
    const faults = faultsOf?.(at)
    const environment = { SHOAL_TOKEN: token, FAULTS: faults === undefined ? undefined : JSON.stringify(faults) }
    const program = faults === undefined ? {} : { program: ['test/support/faulty-node.ts'] }
    const where = place === undefined ? {} : { host: place.host, through: place.through }
    this.nodes[at] = {
      ...(await startNodeProcess({ data: this.dataOf(at), port, flags, environment, ...where, ...program })),
      port,
    }
  }

  cli(at: number): Cli {
    return new Cli((this.nodes[at] as NodeProcess).origin, this.folder)
  }

  call(at: number, path: string, { method = 'GET', body, headers = {} }: Asked = {}): Promise<Response> {
    return fetch(`${(this.nodes[at] as NodeProcess).origin}/api/v1${path}`, {
      method,
      body: body === undefined ? null : typeof body === 'string' ? body : new Uint8Array(body),
      headers: { authorization: AUTHORIZATION, ...headers },
    })
  }

  async put(at: number, path: string, body: string | Uint8Array): Promise<void> {
    const answer = await this.call(at, `/volumes/shared/files/${path}`, { method: 'PUT', body })
    assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${await answer.text()}`)
  }

  async text(at: number, path: string): Promise<string | undefined> {
    const answer = await this.call(at, `/volumes/shared/files/${path}`)
    const body = await answer.text()
    return answer.status === 200 ? body : undefined
  }

  /** Of all names with their entity tags, and with `contents` of all contents, as a node has them. Reading these takes seconds. */
  async digest(at: number, { contents = true }: { readonly contents?: boolean } = {}): Promise<string> {
    const hash = createHash('sha256')
    for (let cursor: string | undefined; ;) {
      const answer = await this.call(
        at,
        `/volumes/shared/entries/?recursive${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      )
      if (answer.status !== 200) return `${answer.status}`
      const page = (await answer.json()) as { entries: { path: string; type: string; etag: string }[]; next?: string }
      for (const { path, type, etag } of page.entries) {
        hash.update(`${path} ${type} ${etag}\n`)
        if (type !== 'file' || !contents) continue
        const file = await this.call(at, `/volumes/shared/files/${path.split('/').map(encodeURIComponent).join('/')}`)
        hash.update(`${file.status}`).update(Buffer.from(await file.arrayBuffer()))
      }
      if (page.next === undefined) return hash.digest('hex')
      cursor = page.next
    }
  }

  /** Waits until all nodes have the same names with the same entity tags, and then the same contents. @returns how long they took for the names */
  async agree(withinMs = 20_000): Promise<number> {
    const beganMs = performance.now()
    const areSame = async (contents: boolean): Promise<boolean> =>
      new Set(await Promise.all(this.nodes.map((_, at) => this.digest(at, { contents })))).size === 1
    await until('all nodes have the same names', () => areSame(false), withinMs)
    const tookMs = performance.now() - beganMs
    await until('all nodes have the same contents', () => areSame(true), withinMs)
    return tookMs
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map(({ kill }) => kill()))
    await rm(this.folder, { recursive: true, force: true })
  }
}

export async function until(what: string, holds: () => Promise<boolean>, withinMs = 10_000): Promise<void> {
  const beganMs = performance.now()
  while (!(await holds())) {
    assert.ok(performance.now() - beganMs < withinMs, `not within ${withinMs} ms: ${what}`)
    await delay(100)
  }
}
