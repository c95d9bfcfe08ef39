import { decodeJoinToken } from '#cluster/join-token.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { ClusterAdmin, NodePosture } from '#gateway/rest/cluster-admin.ts'
import type { NodeDocument } from '#gateway/rest/node-schemas.ts'
import type { MemberView } from '#membership/member.ts'
import type { Clock } from '#platform/clock.ts'
import { DEFAULT_NODE_SETTING } from '#system/system-view.ts'
import type { NodeSetting } from '#system/system-view.ts'
import type { ChunkCluster } from './chunk-cluster.ts'
import type { ClusterNode } from './cluster-node.ts'

/** The cluster as this node sees and changes it. */
export class NodeClusterAdmin implements ClusterAdmin {
  readonly #cluster: ClusterNode
  readonly #chunks: Pick<ChunkCluster, 'settings' | 'records'>
  readonly #clock: Clock
  readonly #drainFraction: () => number | undefined

  constructor(parts: {
    readonly cluster: ClusterNode
    /** Where it is kept what was decided about nodes. */
    readonly chunks: Pick<ChunkCluster, 'settings' | 'records'>
    readonly clock: Clock
    /** How far the walk is that drains nodes, if this node knows. */
    readonly drainFraction: () => number | undefined
  }) {
    this.#cluster = parts.cluster
    this.#chunks = parts.chunks
    this.#clock = parts.clock
    this.#drainFraction = parts.drainFraction
  }

  nodes(): readonly NodeDocument[] {
    const members = this.#cluster.members().toSorted((a, b) => (a.id < b.id ? -1 : 1))
    return members.map((member) => this.#describe(member))
  }

  async removeNode(
    id: string,
    { isLost = false, isForced = false }: { readonly isLost?: boolean; readonly isForced?: boolean } = {},
  ): Promise<void> {
    if (isLost && this.#cluster.isHomeOfAll(id as NodeId)) return this.#removeHome(id as NodeId)
    this.#requireLead()
    if (id === this.#cluster.id)
      throw new ShoalError('NOT_PERMITTED', `Node ${id} can't be removed: the volumes are served from it`)
    if (!this.#cluster.knows(id as NodeId)) throw noSuchNode(id)
    if (!isForced) this.#requireSpared(id as NodeId)
    // Decided first, where whoever leads next finds it: that may be the node itself, which hears last that it was removed.
    await this.#chunks.settings.remove(id as NodeId)
    await this.#cluster.remove(id as NodeId)
  }

  /** @throws CONFLICT for a node that runs and may have copies that are nowhere else */
  #requireSpared(id: NodeId): void {
    const member = this.#cluster.members().find((each) => each.id === id)
    if (member === undefined || !isRunning(member) || !member.facts.roles.includes('store')) return
    if (this.#chunks.records.view.nodes.get(id)?.isDrained === true) return
    throw new ShoalError(
      'CONFLICT',
      `Node ${id} runs, and what it has may not be elsewhere yet: drain it ("shoal node drain"), and remove it when "shoal node show" says that it is drained. With --force (REST: ?force) it is removed all the same, and the copies that it has are lost`,
    )
  }

  /** Nobody leads any more then, and nobody has strong volumes: the operator has said that these are lost. */
  async #removeHome(id: NodeId): Promise<void> {
    const member = this.#cluster.members().find((each) => each.id === id)
    if ((member !== undefined && isRunning(member)) || id === this.#cluster.id)
      throw new ShoalError('NOT_PERMITTED', `Node ${id} runs, and has all strong volumes: it is not lost`)
    await this.#cluster.remove(id)
  }

  async setNode(id: string, { posture, weight }: { posture?: NodePosture; weight?: number }): Promise<NodeDocument> {
    this.#requireLead()
    const member = this.#cluster.members().find((each) => each.id === id)
    if (member === undefined) throw noSuchNode(id)
    const change = { ...(posture === undefined ? {} : { state: posture }), ...(weight === undefined ? {} : { weight }) }
    return this.#describe(member, await this.#chunks.settings.set(member.id, change))
  }

  async issueToken({
    uses,
    lifeMs,
  }: {
    readonly uses: number
    readonly lifeMs: number
  }): Promise<{ token: string; expiresMs: number }> {
    const token = await this.#cluster.desk.issue({ addresses: [this.#cluster.address], uses, lifeMs })
    return { token, expiresMs: decodeJoinToken(token).expiresMs }
  }

  rotateKey(): Promise<void> {
    this.#requireLead()
    const others = this.#cluster.members().filter(({ id }) => id !== this.#cluster.id)
    const running = others.filter(isRunning)
    return this.#cluster.gossipKeys.rotate(running.map(({ id, facts }) => ({ id, host: facts.host, port: facts.nodePort })))
  }

  #requireLead(): void {
    const { leadership } = this.#cluster
    if (leadership.isLeading) return
    const leader = leadership.leader()
    const where = leader === undefined ? '' : `, ${leader.nodeId} at ${leader.host}`
    throw new ShoalError('UNAVAILABLE', `Only the node that leads the cluster${where}, can do that`)
  }

  #describe(
    { id, state, incarnation, facts, sinceMs }: MemberView,
    setting = this.#chunks.records.view.nodes.get(id) ?? DEFAULT_NODE_SETTING,
  ): NodeDocument {
    const { host, nodePort, restPort, s3Port, roles, zone, capacityBytes, usedBytes, version } = facts
    const beganMs = Math.round(this.#clock.nowMs() - (this.#clock.monotonicMs() - sinceMs))
    return {
      id,
      state: state === 'alive' ? wordFor(setting) : state,
      drained: drainedPart(setting, this.#drainFraction()),
      since: formatTimestamp(BigInt(beganMs) * 1_000_000n),
      self: id === this.#cluster.id,
      home: id === this.#cluster.leadership.leader()?.nodeId,
      host,
      nodePort,
      restPort,
      s3Port,
      roles: [...roles],
      zone,
      weight: setting.weight,
      clockAheadMs: id === this.#cluster.id ? 0 : (this.#cluster.clocks.aheadMs(id) ?? null),
      capacityBytes,
      usedBytes,
      version,
      incarnation,
    }
  }
}

/** As far as this node knows. */
function isRunning({ liveness }: Pick<MemberView, 'liveness'>): boolean {
  return liveness === 'alive' || liveness === 'suspect'
}

function noSuchNode(id: string): ShoalError {
  return new ShoalError('NOT_FOUND', `There is no node "${id.slice(0, 80)}"`)
}

function wordFor({ state, isDrained }: NodeSetting): NodeDocument['state'] {
  if (state === 'active') return 'alive'
  return isDrained === true ? 'drained' : state
}

function drainedPart({ state, isDrained }: NodeSetting, fraction: number | undefined): number | null {
  if (state !== 'draining') return null
  return isDrained === true ? 1 : (fraction ?? null)
}
