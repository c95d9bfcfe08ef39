// A cluster of nodes in processes of their own: started together, killed, paused and brought back one by one.

import assert from 'node:assert/strict'
import { readFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ShoalClient } from '#client/shoal-client.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import type { SocketAddress } from '#platform/sockets.ts'
import { ACCESS_KEY, SECRET_KEY, freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'

export interface ProcessClusterOptions {
  readonly nodes: number
  /** Whether they agree on their metadata by an etcd that they run, by one that somebody else runs, or the first one is its home. */
  readonly mode: 'cluster' | 'home' | { readonly etcd: string }
  /** Where the data of one node lies; in a folder of the cluster's own unless given. */
  readonly dataOf?: (at: number, folder: string) => string
  /** Where each listens; on a free port of loopback unless given. */
  readonly placeOf?: (at: number) => NodePlace
}

export interface NodePlace {
  readonly host: string
  readonly port: number
  /** What starts the node there. */
  readonly through: readonly string[]
}

/** A node, whether it runs or not. */
interface Place {
  readonly data: string
  readonly at: NodePlace
  process: NodeProcess | undefined
  isPaused: boolean
}

const READY_MS = 90_000
/** A node answers for itself within it, or is taken for one that doesn't. */
const LOOK_MS = 1_500

export class ProcessCluster {
  readonly folder: string
  readonly #options: ProcessClusterOptions
  readonly #places: Place[] = []
  readonly #clients = new Map<number, ShoalClient>()

  /** Resolves when all run, know of each other, and new chunks have all their copies. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options, await mkdtemp(join(tmpdir(), 'shoal-cluster-')))
    try {
      await cluster.#launch(await cluster.#add(), options.mode === 'cluster' ? ['--cluster'] : [])
      for (let at = 1; at < options.nodes; at += 1) await cluster.join()
      await cluster.healthy()
      return cluster
    } catch (error) {
      const logs = cluster.running.map((at) => `node ${at}:\n${cluster.logOf(at).slice(-2_000)}`)
      await cluster.dispose()
      throw new Error(`the cluster does not start: ${(error as Error).message}\n${logs.join('\n')}`, { cause: error })
    }
  }

  private constructor(options: ProcessClusterOptions, folder: string) {
    this.#options = options
    this.folder = folder
  }

  /** Numbers of the nodes that run, paused ones too. */
  get running(): number[] {
    return [...this.#places.keys()].filter((at) => this.#place(at).process !== undefined)
  }

  get size(): number {
    return this.#places.length
  }

  dataOf(at: number): string {
    return this.#place(at).data
  }

  /** Where its S3 is. */
  s3Of(at: number): string {
    const { host, port } = this.#place(at).at
    return `http://${host}:${port + 1}`
  }

  restOf(at: number): string {
    const { host, port } = this.#place(at).at
    return `http://${host}:${port}`
  }

  /** Where other nodes call it. */
  addressOf(at: number): SocketAddress {
    const { host, port } = this.#place(at).at
    return { host, port: port + 2 }
  }

  logOf(at: number): string {
    return this.#place(at).process?.log() ?? ''
  }

  client(at: number): ShoalClient {
    const known = this.#clients.get(at)
    if (known !== undefined) return known
    const client = new ShoalClient({
      endpoint: this.restOf(at),
      accessKey: ACCESS_KEY,
      secretKey: SECRET_KEY,
      clock: nodeClock,
      random: nodeRandom,
    })
    this.#clients.set(at, client)
    return client
  }

  async idOf(at: number): Promise<string> {
    return (JSON.parse(await readFile(join(this.dataOf(at), 'format.json'), 'utf8')) as { nodeId: string }).nodeId
  }

  /** A new node, with a token of one that runs; its number. */
  async join(flags: readonly string[] = []): Promise<number> {
    const { token } = await this.#ask((client) => client.cluster.createToken())
    const at = await this.#add()
    await this.#launch(at, flags, { token })
    return at
  }

  /** SIGKILL. Its etcd goes with it. */
  async kill(at: number): Promise<void> {
    const place = this.#place(at)
    const { process } = place
    place.process = undefined
    place.isPaused = false
    await process?.kill()
  }

  /** SIGTERM, and its end; how long that took. */
  async stop(at: number): Promise<number> {
    const place = this.#place(at)
    const beganMs = performance.now()
    const code = await place.process?.stop()
    assert.equal(code, 0, `node ${at} ends well:\n${place.process?.log()}`)
    place.process = undefined
    return performance.now() - beganMs
  }

  /** On the data that it has, with no flag of its first start but those that every start needs, unless `isBare`. */
  async restart(at: number, { isBare = false }: { readonly isBare?: boolean } = {}): Promise<void> {
    await this.#launch(at, [], { isBare })
  }

  pause(at: number): void {
    this.#place(at).process?.child.kill('SIGSTOP')
    this.#place(at).isPaused = true
  }

  resume(at: number): void {
    this.#place(at).process?.child.kill('SIGCONT')
    this.#place(at).isPaused = false
  }

  /** To the etcd that the node runs, and only that. */
  async signalEtcd(at: number, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const { pid } = JSON.parse(await readFile(join(this.dataOf(at), 'etcd.pid'), 'utf8')) as { pid: number }
    process.kill(pid, signal)
  }

  /** Numbers of nodes that run with an etcd of their own that has a vote. */
  async voters(): Promise<number[]> {
    const { metadata } = await this.ask('the members of etcd', (client) => client.status())
    const names = (metadata.members ?? []).filter(({ role }) => role === 'voter').map(({ name }) => name)
    const ids = await Promise.all(this.running.map(async (at) => [at, await this.idOf(at)] as const))
    return ids.filter(([, id]) => names.includes(id)).map(([at]) => at)
  }

  /** The node that leads the metadata, by the word of those that answer. */
  async leader(withinMs = 20_000): Promise<number> {
    let found: number | undefined
    await until('somebody leads', async () => (found = await this.#findLeader()) !== undefined, withinMs)
    return found as number
  }

  /** Waits until each of them runs and takes the others for alive, their votes are there, and the default class has its copies. */
  async healthy(withinMs = READY_MS): Promise<void> {
    const { mode } = this.#options
    const running = this.running
    const voters = running.length < 3 ? 1 : running.length < 5 ? 3 : 5
    await until(
      'all nodes are there',
      async () => {
        const views = await Promise.all(running.map((at) => within(LOOK_MS, this.client(at).cluster.nodes())))
        return views.every((nodes) => nodes.filter(({ state }) => state === 'alive').length >= running.length)
      },
      withinMs,
    )
    await until('new chunks have their copies', () => this.#hasCopies(running.length), withinMs)
    if (mode !== 'cluster') return
    const hasVotes = async (): Promise<boolean> => {
      const { metadata } = await this.client(running[0] as number).status()
      const members = metadata.members ?? []
      const there = members.filter(({ role, healthy }) => role === 'voter' && healthy).length
      assert.ok(there >= voters, `etcd has ${JSON.stringify(members)}`)
      return true
    }
    await until(`${voters} vote`, hasVotes, withinMs)
  }

  /** What is asked of any node, again until one answers. */
  async ask<T>(what: string, ask: (client: ShoalClient, at: number) => Promise<T>, withinMs = 30_000): Promise<T> {
    const endMs = performance.now() + withinMs
    for (let turn = 0; ; turn += 1) {
      const at = this.running[turn % this.running.length] as number
      try {
        return await ask(this.client(at), at)
      } catch (error) {
        if (performance.now() > endMs) throw new Error(`${what}: not within ${withinMs} ms`, { cause: error })
        await delay(100)
      }
    }
  }

  /** Kills what runs and removes what it had. */
  async dispose(): Promise<void> {
    for (const at of this.running) this.resume(at)
    await Promise.all([...this.#clients.values()].map((client) => client.close()))
    await Promise.all(this.running.map((at) => this.kill(at)))
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }

  #place(at: number): Place {
    const place = this.#places[at]
    assert.ok(place !== undefined, `there is a node ${at}`)
    return place
  }

  async #add(): Promise<number> {
    const at = this.#places.length
    const data = this.#options.dataOf?.(at, this.folder) ?? join(this.folder, `node-${at}`)
    const place = this.#options.placeOf?.(at) ?? { host: '127.0.0.1', port: await freePort(), through: [] }
    this.#places.push({ data, at: place, process: undefined, isPaused: false })
    return at
  }

  async #launch(
    at: number,
    flags: readonly string[],
    { token, isBare = false }: { readonly token?: string; readonly isBare?: boolean } = {},
  ): Promise<void> {
    const { mode } = this.#options
    const always = typeof mode === 'string' || isBare ? [] : ['--etcd', mode.etcd]
    const place = this.#place(at)
    const isFounder = at === 0
    const environment = {
      ...(isFounder ? {} : { SHOAL_ROOT_ACCESS_KEY: undefined, SHOAL_ROOT_SECRET_KEY: undefined }),
      SHOAL_TOKEN: token,
    }
    const { data } = place
    const { host, port, through } = place.at
    const where = host === '127.0.0.1' ? { port } : { port, host, through }
    place.process = await startNodeProcess({ data, ...where, flags: ['--zone', `zone-${at}`, ...always, ...flags], environment })
  }

  async #ask<T>(ask: (client: ShoalClient) => Promise<T>): Promise<T> {
    return this.ask('an answer of any node', ask)
  }

  async #hasCopies(nodes: number): Promise<boolean> {
    const { copies, short } = await this.client(this.running[0] as number).classes.show('default')
    return copies >= Math.min(3, nodes) && !short
  }

  async #findLeader(): Promise<number | undefined> {
    const running = this.running.filter((at) => !this.#place(at).isPaused)
    const ids = await Promise.all(running.map((at) => this.idOf(at)))
    for (const at of running) {
      const status = await within(LOOK_MS, this.client(at).status()).catch(() => undefined)
      const leader = status?.metadata.leader
      const found = running[ids.findIndex((id) => id === leader)]
      if (found !== undefined) return found
    }
    return undefined
  }
}

/** Waits until it holds; a failure is a no. @throws if that takes longer, with the last failure */
export async function until(what: string, holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs
  let failure: unknown
  for (;;) {
    try {
      if (await holds()) return
      failure = undefined
    } catch (error) {
      failure = error
    }
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: failure })
    await delay(100)
  }
}

async function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  const over = new AbortController()
  try {
    return await Promise.race([answer, delay(limitMs, undefined, { signal: over.signal }).then(() => assert.fail('no answer'))])
  } finally {
    over.abort()
  }
}
