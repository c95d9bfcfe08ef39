import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { ForwardOverWire } from '#gateway/http/forward-over-wire.ts'
import { isNothingBegun } from '#gateway/http/forward-target.ts'
import type { Clock } from '#platform/clock.ts'
import type { MemoryNetwork } from '#platform/memory-sockets.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import { WirePeers } from '#wire/peers.ts'
import type { Answer, Request } from './requests.ts'
import { restHead, restMeaning } from './rest-requests.ts'
import { S3Requests } from './s3-requests.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { CLIENT_PORT, CLUSTER_ID } from './simulated-process.ts'

export const CLIENT_HOST = '10.1.0.1'
const CLIENT_ID = 'cc'.repeat(16) as NodeId
/** A client doesn't wait for ever. */
const PATIENCE_MS = 8_000
const TRIES = 6
const RETRY_MS = 200

interface Exchanged {
  readonly status: number
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly content: Buffer
}

/** Sends requests to the doors of nodes, the way their clients do, over a connection that can break. */
export class GatewayClient {
  readonly #clock: Clock
  readonly #peers: WirePeers
  readonly #repeats: boolean
  readonly #pick: () => SimulatedNode
  readonly #s3: S3Requests
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
    this.#s3 = new S3Requests(clock)
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
      return answerOf(request, await this.#exchange(node, request, over.signal))
    } catch (error) {
      if (!isShoalError(error) && !over.signal.aborted) throw error
      return { kind: isNothingBegun(error) ? 'refused' : 'unknown' }
    } finally {
      waited.abort()
    }
  }

  async #exchange(node: SimulatedNode, request: Request, signal: AbortSignal): Promise<Exchanged> {
    this.#requests += 1
    const head = request.door === 's3' ? this.#s3.head(node.host, request) : restHead(node.host, request)
    const to = new ForwardOverWire(this.#peers, { host: node.host, port: CLIENT_PORT, nodeId: node.id })
    const answer = await to.send({
      head: {
        ...head,
        id: `request-${this.#requests}`,
        remoteAddress: CLIENT_HOST,
        isSecure: false,
        expectsContinue: false,
        httpVersion: '1.1',
        method: request.method,
      },
      content: request.content ?? Buffer.alloc(0),
      body: undefined,
      signal,
    })
    const pieces = [answer.content]
    for await (const piece of answer.body) pieces.push(piece)
    return { status: answer.status, headers: answer.headers, content: Buffer.concat(pieces) }
  }
}

function answerOf(request: Request, { status, headers, content }: Exchanged): Answer {
  if (status < 300) return { kind: 'done', content, etag: headerOf(headers, 'ETag') }
  return request.door === 's3' ? S3Requests.meaning(request, content) : restMeaning(content)
}

function headerOf(headers: readonly string[], wanted: string): string | undefined {
  const at = headers.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === wanted.toLowerCase())
  return at === -1 ? undefined : headers[at + 1]
}
