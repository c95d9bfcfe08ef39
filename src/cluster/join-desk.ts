import { timingSafeEqual } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { FailureTable } from '#platform/failure-table.ts'
import type { Random } from '#platform/random.ts'
import type { SocketAddress } from '#platform/sockets.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { ClusterIdentity } from './identity.ts'
import { JOIN_METHOD, decodeJoinRequest, proofOf, sealAnswer } from './join-messages.ts'
import type { JoinRequest } from './join-messages.ts'
import { SECRET_BYTES, encodeJoinToken, tokenIdOf, verifierOf } from './join-token.ts'
import { encodeRing } from './key-ring.ts'
import type { KeptToken, TokenList } from './token-list.ts'

const TOKEN_LIFE_MS = 24 * 3_600_000

export interface JoinDeskOptions {
  readonly identity: ClusterIdentity
  readonly tokens: TokenList
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Nodes that the new one can talk to first. */
  seeds(): readonly SocketAddress[]
  /** Whether the node was removed from the cluster: its id never comes back. */
  isRemoved(node: NodeId): boolean | Promise<boolean>
  /** Whatever else the new node has to know, at most about 6 MiB. */
  bootstrap(node: NodeId): Promise<Buffer>
}

export interface IssueOptions {
  /** Where this node can be reached from others. */
  readonly addresses: readonly SocketAddress[]
  /** 24 hours unless given. */
  readonly lifeMs?: number
  /** How many nodes may join with it; 1 unless given. */
  readonly uses?: number
}

/** Lets nodes into the cluster that have a token which this node made. Every node can: each has the authority's key. */
export class JoinDesk {
  readonly #options: JoinDeskOptions
  readonly #failures: FailureTable

  constructor(options: JoinDeskOptions) {
    this.#options = options
    this.#failures = new FailureTable(options.clock)
  }

  /** A token, as one line. What this node keeps of it tells nobody what it was. @throws INVALID_ARGUMENT, BUSY, NO_SPACE, STORAGE_FAILED */
  async issue({ addresses, lifeMs = TOKEN_LIFE_MS, uses = 1 }: IssueOptions): Promise<string> {
    const { identity, tokens, clock, random } = this.#options
    const secret = random.bytes(SECRET_BYTES)
    const expiresMs = Math.floor((clock.nowMs() + lifeMs) / 1000) * 1000
    const line = encodeJoinToken({
      clusterId: identity.name.clusterId,
      fingerprint: identity.fingerprint,
      addresses,
      expiresMs,
      secret,
    })
    const verifier = verifierOf(secret)
    await tokens.add({ id: tokenIdOf(verifier), verifier, expiresMs, usesMax: uses, usedBy: [] })
    return line
  }

  /** The method to join by, for nodes that have no certificate yet. */
  get methods(): WireMethods {
    return {
      [JOIN_METHOD]: {
        isOpen: true,
        handle: async ({ header, peer }) => ({ body: [await this.admit(header, peer.remoteAddress)] }),
      },
    }
  }

  /** Answers a request to join. Who has no token is made to wait, longer each time.
   *  @throws UNAUTHENTICATED, FORBIDDEN, INVALID_ARGUMENT, BUSY, NO_SPACE, STORAGE_FAILED */
  async admit(value: unknown, remoteAddress: string): Promise<Buffer> {
    const { identity, tokens, log, random } = this.#options
    const request = decodeJoinRequest(value)
    const token = await this.#verify(request, remoteAddress)
    const { clusterId } = identity.name
    if (request.clusterId !== clusterId)
      throw new ShoalError(
        'UNAUTHENTICATED',
        `The join token is for cluster ${request.clusterId}, and this node belongs to ${clusterId}`,
      )
    if (await this.#options.isRemoved(request.nodeId))
      throw new ShoalError(
        'FORBIDDEN',
        `Node ${request.nodeId} was removed from the cluster, and its id does not come back: let it join with an empty data folder`,
      )
    if (request.nodeId === identity.name.nodeId)
      throw new ShoalError(
        'FORBIDDEN',
        `Node ${request.nodeId} is this node itself: a copy of its data folder can't join beside it`,
      )
    const certificate = await this.#certify(request)
    const bootstrap = await this.#options.bootstrap(request.nodeId)
    await tokens.use(token.id, request.nodeId)
    log.info('let a node join', { node: request.nodeId, token: token.id, address: remoteAddress })
    const answer = {
      certificate,
      authority: identity.authority,
      gossip: encodeRing(identity.gossip),
      seeds: this.#options.seeds(),
      bootstrap,
    }
    return sealAnswer(answer, token.verifier, request.nonce, random)
  }

  async #certify({ request, nodeId }: JoinRequest): Promise<string> {
    const { identity, clock, random } = this.#options
    const { certify } = await import('./certificates.ts')
    const name = { clusterId: identity.name.clusterId, nodeId }
    return certify({ authority: identity.authority, name, request, nowMs: clock.nowMs(), random })
  }

  async #verify(request: JoinRequest, remoteAddress: string): Promise<KeptToken> {
    const { tokens, random, log } = this.#options
    const token = tokens.find(request.tokenId)
    // An unknown token takes the same path, so that the time says nothing about what was wrong.
    const expected = proofOf(token?.verifier ?? random.bytes(32), request)
    if (timingSafeEqual(expected, Buffer.from(request.proof, 'hex')) && token !== undefined) return token
    log.warn('refused to let a node join', { node: request.nodeId, address: remoteAddress })
    await this.#slowDown(remoteAddress)
    throw new ShoalError(
      'UNAUTHENTICATED',
      'This node does not know the join token: another node made it, or it has run out. Make another one with "shoal cluster token" on this node',
    )
  }

  async #slowDown(remoteAddress: string): Promise<void> {
    const delayMs = this.#failures.begin(remoteAddress)
    if (delayMs === undefined)
      throw new ShoalError('BUSY', `Too many attempts to join with wrong tokens from ${remoteAddress}: wait a while`)
    try {
      if (delayMs > 0) await this.#options.clock.sleep(delayMs)
    } finally {
      this.#failures.end(remoteAddress)
    }
  }
}
