import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { ObservedMember } from './etcd-member.ts'
import type { EtcdMembers } from './etcd-members.ts'
import { planVoters, VOTER_LIMITS } from './plan-voters.ts'
import type { SeatedMember, VoterLimits, VoterNode, VoterStep } from './plan-voters.ts'

/** A node on which a learner came to nothing is not tried again for so long: somebody may have to look at it. */
const AVOID_MS = 30 * 60_000

export interface EtcdVotersOptions {
  readonly members: Pick<EtcdMembers, 'observe' | 'addLearner' | 'promote' | 'remove'>
  readonly clock: Clock
  readonly log: Log
  readonly limits?: VoterLimits
}

/** Looks at etcd's members, and takes the step that `planVoters` says, round by round. Runs at one node at a time, the one that
 *  leads: etcd refuses what would cost it its quorum, but not two changes that make sense one by one. Since when a member has been
 *  silent is known from the first round on, so that who takes over waits anew. */
export class EtcdVoters {
  readonly #options: EtcdVotersOptions
  #seen = new Map<string, { readonly isHealthy: boolean; readonly sinceMs: number }>()
  readonly #avoided = new Map<NodeId, number>()

  constructor(options: EtcdVotersOptions) {
    this.#options = options
  }

  /** The step that was taken. @throws UNAVAILABLE: etcd doesn't answer, or refuses it; the next round looks again */
  async round(nodes: readonly VoterNode[]): Promise<VoterStep> {
    const { members, clock, log, limits = VOTER_LIMITS } = this.#options
    const nowMs = clock.monotonicMs()
    const seated = this.#seat(await members.observe(), nowMs)
    for (const [nodeId, untilMs] of this.#avoided) if (nowMs >= untilMs) this.#avoided.delete(nodeId)
    const able = nodes.map((node) => (this.#avoided.has(node.nodeId) ? { ...node, isAlive: false } : node))
    const step = planVoters({ members: seated, nodes: able, nowMs, limits })
    if (step.kind === 'nothing') return step
    if (step.kind === 'add-learner') await members.addLearner(step.peerUrl)
    else if (step.kind === 'promote') await members.promote(step.memberId)
    else await members.remove(step.memberId)
    log.info('changed the members of etcd', { ...step })
    // One that others have made superfluous, by the word of a moment, may be needed in the next.
    if (step.kind === 'remove' && step.cameToNothing) {
      this.#avoid(
        able.find(({ nodeId }) => nodeId === step.nodeId),
        nowMs,
      )
    }
    return step
  }

  /** A node that is dead is no riddle: it is tried again when it is back. */
  #avoid(node: VoterNode | undefined, nowMs: number): void {
    if (node?.isAlive === true) this.#avoided.set(node.nodeId, nowMs + AVOID_MS)
  }

  #seat(observed: readonly ObservedMember[], nowMs: number): readonly SeatedMember[] {
    const seated = observed.map((member) => {
      const before = this.#seen.get(member.id)
      return { ...member, sinceMs: before?.isHealthy === member.isHealthy ? before.sinceMs : nowMs }
    })
    this.#seen = new Map(seated.map(({ id, isHealthy, sinceMs }) => [id, { isHealthy, sinceMs }]))
    return seated
  }
}
