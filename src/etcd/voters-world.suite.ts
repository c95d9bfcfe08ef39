import assert from 'node:assert/strict'
import type { NodeId } from '#foundation/ids.ts'
import { quorumOf, VOTER_LIMITS } from './plan-voters.ts'
import type { SeatedMember, VoterNode, VoterStep, VoterView } from './plan-voters.ts'

export const ZONES = ['a', 'b', 'c'] as const
const TICK_MS = 30_000
/** What a learner needs. */
const CATCH_UP_TICKS = 2

export type WorldEvent =
  | { readonly kind: 'join'; readonly zone: (typeof ZONES)[number] }
  | { readonly kind: 'kill' | 'revive' | 'remove'; readonly pick: number }
  | { readonly kind: 'wait'; readonly ticks: number }

interface WorldMember {
  readonly id: string
  readonly node: WorldNode
  role: 'voter' | 'learner'
  isStarted: boolean
  upTicks: number
  isHealthy: boolean
  sinceMs: number
}

interface WorldNode {
  readonly nodeId: NodeId
  readonly zone: string
  isUp: boolean
  isRemoved: boolean
  sinceMs: number
}

/** Nodes that come, die, return and leave, and an etcd among them that refuses what etcd 3.4 refuses. It takes one step of the
 *  plan a tick, and fails when one costs the quorum or would be refused. */
export class VotersWorld {
  readonly #plan: (view: VoterView) => VoterStep
  readonly #nodes: WorldNode[] = []
  #members: WorldMember[] = []
  #nowMs = 0
  #ids = 0

  constructor(plan: (view: VoterView) => VoterStep) {
    this.#plan = plan
    this.#join('a')
    this.#members.push(this.#newMember(this.#nodes[0] as WorldNode, 'voter'))
  }

  play(event: WorldEvent): void {
    if (event.kind === 'join') this.#join(event.zone)
    else if (event.kind !== 'wait') this.#change(event.kind, event.pick)
    for (let ticks = event.kind === 'wait' ? event.ticks : 1; ticks > 0; ticks -= 1) this.tick()
  }

  tick(): VoterStep {
    this.#nowMs += TICK_MS
    for (const member of this.#members) {
      member.isStarted ||= member.node.isUp
      member.upTicks = member.node.isUp ? member.upTicks + 1 : 0
      if (member.isHealthy !== member.node.isUp) Object.assign(member, { isHealthy: member.node.isUp, sinceMs: this.#nowMs })
    }
    const hadQuorum = this.hasQuorum()
    const step = this.#plan(this.#view())
    this.#apply(step)
    const { voters, learners } = this.#roles()
    if (hadQuorum) assert.ok(this.hasQuorum(), `lost its quorum: ${step.kind}`)
    else assert.equal(step.kind, 'nothing', 'a change without a quorum')
    assert.ok(voters.length >= 1 && voters.length <= VOTER_LIMITS.votersMax && learners.length <= 1)
    return step
  }

  /** Everything is repaired, as an operator would. */
  reviveAll(): void {
    for (const node of this.#nodes) Object.assign(node, { isUp: true, sinceMs: this.#nowMs })
  }

  hasQuorum(): boolean {
    const { voters } = this.#roles()
    return voters.filter(({ node }) => node.isUp).length >= quorumOf(voters.length)
  }

  /** How many steps it takes until there is nothing more to do. */
  settle(): number {
    let steps = 0
    for (let quietMs = 0; quietMs <= VOTER_LIMITS.replaceAfterMs + VOTER_LIMITS.learnerPatienceMs; quietMs += TICK_MS) {
      if (this.tick().kind === 'nothing') continue
      steps += 1
      quietMs = 0
      assert.ok(steps <= 50, 'it does not come to rest')
    }
    return steps
  }

  /** What the plan promises once nothing happens any more. */
  checkSettled(): void {
    const { voters, learners } = this.#roles()
    assert.equal(learners.length, 0)
    const present = this.#nodes.filter((node) => !node.isRemoved)
    const living = present.filter((node) => node.isUp)
    const dead = voters.filter(({ node }) => !node.isUp)
    assert.ok(voters.every(({ node }) => !node.isRemoved) || present.length === 0 || living.length === 0, 'a removed node votes')
    if (living.length === 0) return
    assert.equal(voters.length % 2, 1, `${voters.length} voters`)
    assert.ok(dead.length <= 1, 'two seats of dead nodes')
    if (dead.length === 1) assert.equal(living.length, voters.length - 1, 'a dead node has the seat of a living one')
    const wanted = Math.min(VOTER_LIMITS.votersMax, living.length)
    assert.ok(voters.length >= wanted - Number(wanted % 2 === 0), `${voters.length} voters on ${living.length} nodes`)
  }

  /** The zones of voters that answer. */
  zones(): string[] {
    const zones = this.#roles().voters.filter(({ node }) => node.isUp)
    return zones.map(({ node }) => node.zone).toSorted()
  }

  #roles(): { readonly voters: readonly WorldMember[]; readonly learners: readonly WorldMember[] } {
    const of = (wanted: string): readonly WorldMember[] => this.#members.filter(({ role }) => role === wanted)
    return { voters: of('voter'), learners: of('learner') }
  }

  #join(zone: string): void {
    this.#ids += 1
    const nodeId = String(this.#ids).padStart(32, '0') as NodeId
    this.#nodes.push({ nodeId, zone, isUp: true, isRemoved: false, sinceMs: this.#nowMs })
  }

  #change(kind: 'kill' | 'revive' | 'remove', pick: number): void {
    const nodes = this.#nodes.filter((node) => !node.isRemoved && (kind === 'remove' || node.isUp === (kind === 'kill')))
    const node = nodes[pick % Math.max(nodes.length, 1)]
    if (node === undefined) return
    if (kind === 'remove') {
      // The last one is the cluster.
      if (nodes.length > 1) node.isRemoved = true
    } else Object.assign(node, { isUp: kind === 'revive', sinceMs: this.#nowMs })
  }

  #view(): VoterView {
    const leader = this.#members.find(({ role, isHealthy }) => role === 'voter' && isHealthy)
    const members = this.#members.map((member): SeatedMember => ({
      id: member.id,
      name: member.isStarted ? member.node.nodeId : '',
      peerUrls: [peerUrlOf(member.node)],
      clientUrls: [],
      role: member.role,
      isHealthy: member.isHealthy,
      isLeader: member === leader,
      isCaughtUp: member.upTicks > CATCH_UP_TICKS,
      sinceMs: member.sinceMs,
    }))
    const nodes = this.#nodes.filter(({ isRemoved }) => !isRemoved)
    return {
      members,
      nodes: nodes.map((node): VoterNode => ({
        nodeId: node.nodeId,
        peerUrl: peerUrlOf(node),
        zone: node.zone,
        isAlive: node.isUp,
        sinceMs: node.sinceMs,
      })),
      nowMs: this.#nowMs,
    }
  }

  #apply(step: VoterStep): void {
    if (step.kind === 'nothing') return
    const { voters, learners } = this.#roles()
    if (step.kind === 'add-learner') {
      const node = this.#nodes.find(({ nodeId }) => nodeId === step.nodeId) as WorldNode
      assert.equal(learners.length, 0, 'etcd has one learner at most')
      assert.ok(
        voters.every(({ isHealthy }) => isHealthy),
        'etcd adds none while a voter does not answer',
      )
      assert.ok(!this.#members.some((member) => member.node === node), 'etcd has that peer URL already')
      this.#members.push(this.#newMember(node, 'learner'))
      return
    }
    const member = this.#members.find(({ id }) => id === step.memberId) as WorldMember
    if (step.kind === 'remove') this.#members = this.#members.filter((other) => other !== member)
    else {
      assert.ok(member.role === 'learner' && member.upTicks > CATCH_UP_TICKS, 'etcd promotes no learner that is behind')
      member.role = 'voter'
    }
  }

  #newMember(node: WorldNode, role: 'voter' | 'learner'): WorldMember {
    this.#ids += 1
    return { id: `m${this.#ids}`, node, role, isStarted: false, upTicks: 0, isHealthy: false, sinceMs: this.#nowMs }
  }
}

function peerUrlOf({ nodeId }: WorldNode): string {
  return `http://${nodeId}:7405`
}
