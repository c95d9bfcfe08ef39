import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { ForwardOverWire } from '#gateway/http/forward-over-wire.ts'
import { isNothingBegun } from '#gateway/http/forward-target.ts'
import type { Clock } from '#platform/clock.ts'
import type { MemoryNetwork } from '#platform/memory-sockets.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import { WirePeers } from '#wire/peers.ts'
import { ROOT_KEY } from './settings.ts'
import { CLIENT_PORT, CLUSTER_ID } from './simulated-node.ts'
import type { SimulatedNode } from './simulated-node.ts'

export const CLIENT_HOST = '10.1.0.1'
const CLIENT_ID = 'cc'.repeat(16) as NodeId
const AUTHORIZATION = `Basic ${Buffer.from(`${ROOT_KEY.accessKey}:${ROOT_KEY.secretKey}`).toString('base64')}`
/** A client doesn't wait for ever. */
const PATIENCE_MS = 8_000
const TRIES = 6
const RETRY_MS = 200

export interface Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/api/v1/`. */
  readonly target: string
  readonly content?: Buffer
  /** Names and values in turn. */
  readonly headers?: readonly string[]
  /** By which it is known when it is sent again: as long as nobody knows whether it was done, it is. */
  readonly key?: string
}

/** What a client was told. `unknown`: nobody can say whether it was done. `refused`: it certainly wasn't. */
export type Answer =
  | { readonly kind: 'done'; readonly content: Buffer }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }

/** What a node may say when it can't, and has changed nothing unless it says `ambiguous`. */
const REFUSALS: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'BUSY', 'NO_SPACE', 'STORAGE_FAILED', 'CANCELLED'])

/** Sends requests to the REST doors of nodes, the way their clients do, over a connection that can break. */
export class GatewayClient {
  readonly #clock: Clock
  readonly #peers: WirePeers
  readonly #repeats: boolean
  readonly #pick: () => SimulatedNode
  #requests = 0

  constructor(parts: {
    clock: Clock
    network: MemoryNetwork
    random: SeededRandom
    repeats: boolean
    pick: () => SimulatedNode
  }) {
    const { clock, network, random, repeats, pick } = parts
    this.#pick = pick
    this.#clock = clock
    this.#repeats = repeats
    const uris = [nodeUri({ clusterId: CLUSTER_ID, nodeId: CLIENT_ID })]
    const connector = network.host(CLIENT_HOST, { kind: 'proven', uris })
    const identity = { clusterId: CLUSTER_ID, nodeId: CLIENT_ID, software: 'client' }
    this.#peers = new WirePeers({ connector, clock, random, identity })
  }

  async send(node: SimulatedNode, request: Request): Promise<Answer> {
    const answer = await this.#try(node, request)
    if (answer.kind !== 'unknown') return answer
    if (request.key !== undefined) return this.#again(request)
    return this.#repeats ? this.#try(node, request) : answer
  }

  /** Of whichever node. What was refused may have been done before. */
  async #again(request: Request): Promise<Answer> {
    for (let tries = 1; tries < TRIES; tries += 1) {
      await this.#clock.sleep(RETRY_MS)
      const answer = await this.#try(this.#pick(), request)
      if (answer.kind === 'done' || answer.kind === 'failed') return answer
    }
    return { kind: 'unknown' }
  }

  close(): Promise<void> {
    return this.#peers.close()
  }

  async #try(node: SimulatedNode, request: Request): Promise<Answer> {
    const over = new AbortController()
    const waited = new AbortController()
    void this.#clock.sleep(PATIENCE_MS, waited.signal).then(
      () => over.abort(),
      () => {},
    )
    try {
      const { status, content } = await this.#exchange(node, request, over.signal)
      return answerOf(status, content)
    } catch (error) {
      if (!isShoalError(error) && !over.signal.aborted) throw error
      return { kind: isNothingBegun(error) ? 'refused' : 'unknown' }
    } finally {
      waited.abort()
    }
  }

  async #exchange(
    node: SimulatedNode,
    { method, target, content = Buffer.alloc(0), headers = [], key }: Request,
    signal: AbortSignal,
  ): Promise<{ status: number; content: Buffer }> {
    this.#requests += 1
    const rawHeaders = ['Host', node.host, 'Authorization', AUTHORIZATION, 'Content-Length', String(content.length), ...headers]
    if (key !== undefined) rawHeaders.push('Idempotency-Key', key)
    const to = new ForwardOverWire(this.#peers, { host: node.host, port: CLIENT_PORT, nodeId: node.id })
    const answer = await to.send({
      head: {
        server: 'base',
        id: `request-${this.#requests}`,
        remoteAddress: CLIENT_HOST,
        isSecure: false,
        expectsContinue: false,
        httpVersion: '1.1',
        method,
        target: `/api/v1/${target}`,
        rawHeaders,
      },
      content,
      body: undefined,
      signal,
    })
    const pieces = [answer.content]
    for await (const piece of answer.body) pieces.push(piece)
    return { status: answer.status, content: Buffer.concat(pieces) }
  }
}

function answerOf(status: number, content: Buffer): Answer {
  if (status < 300) return { kind: 'done', content }
  const { code, detail, ambiguous } = JSON.parse(content.toString()) as { code: string; detail: string; ambiguous?: boolean }
  if (!REFUSALS.has(code)) return { kind: 'failed', code, message: detail }
  return { kind: ambiguous === true ? 'unknown' : 'refused' }
}
