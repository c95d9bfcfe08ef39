import type { NodeId } from '#foundation/ids.ts'
import type { ObservedMember } from './etcd-member.ts'

/** A member, and since when it has been as healthy or not as it is. */
export interface SeatedMember extends ObservedMember {
  readonly sinceMs: number
}

/** A member of Shoal's cluster that is able to run etcd. */
export interface VoterNode {
  readonly nodeId: NodeId
  readonly peerUrl: string
  readonly zone: string
  /** A voter may be silent however alive its node is, and the other way round: this decides only who may get a seat. */
  readonly isAlive: boolean
  /** Since when; of two that are as good, the older one gets the seat. */
  readonly sinceMs: number
}

export interface VoterLimits {
  readonly votersMax: 1 | 3 | 5
  /** A voter that hasn't answered for so long gives its seat to another node. */
  readonly replaceAfterMs: number
  /** A learner that hasn't answered for so long is given up. */
  readonly learnerPatienceMs: number
}

/** A restart of a machine takes a minute or three, and must not move anything; nor may a rolling one. A learner may first have to
 *  load a snapshot of up to 4 GiB. */
export const VOTER_LIMITS: VoterLimits = { votersMax: 5, replaceAfterMs: 5 * 60_000, learnerPatienceMs: 10 * 60_000 }

export type VoterStep = { readonly reason: string } & (
  | { readonly kind: 'nothing' }
  | { readonly kind: 'add-learner'; readonly nodeId: NodeId; readonly peerUrl: string }
  | { readonly kind: 'promote'; readonly memberId: string; readonly nodeId: NodeId | undefined }
  | {
      readonly kind: 'remove'
      readonly memberId: string
      readonly nodeId: NodeId | undefined
      /** A learner that did not answer in all of its time. */
      readonly cameToNothing: boolean
    }
)

export interface VoterView {
  readonly members: readonly SeatedMember[]
  readonly nodes: readonly VoterNode[]
  readonly nowMs: number
  readonly limits?: VoterLimits
}

interface Seat {
  readonly member: SeatedMember
  /** Undefined: its node was removed from the cluster. */
  readonly node: VoterNode | undefined
  readonly isLost: boolean
}

interface Situation {
  readonly learners: readonly Seat[]
  readonly voters: readonly Seat[]
  /** Voters of nodes that stay, less the lost ones. */
  readonly holding: readonly Seat[]
  /** Lost voters, the longest first. */
  readonly lost: readonly Seat[]
  readonly leaving: readonly Seat[]
  /** Living nodes without a vote. */
  readonly spare: readonly VoterNode[]
  /** How many voters there should be, and how many of them may be lost ones. */
  readonly goal: number
  readonly kept: number
  readonly limits: VoterLimits
  readonly nowMs: number
}

/** The next step towards an odd number of voters, five at most, on living nodes and in different zones. One step, and none while
 *  another one is unfinished; none that the voters who answer couldn't outvote.
 *
 *  - Two nodes have one voter: of two, both are needed, so that the loss of either would stop the cluster; with one, it is the
 *    loss of that one alone.
 *  - A newcomer is a learner first, and gets its vote when it has what the others have, so that it never holds them up.
 *  - A lost voter goes before the one in its place comes: etcd takes no new member while a voter doesn't answer
 *    (`--strict-reconfig-check`), and without the lost one the others need no vote more than before. Only a single one for whom
 *    there is nobody else keeps its seat: it may come back, with its copy of the log.
 *  - The voter of a node that was removed goes after the one in its place has come, if there are less than the most.
 *
 *  After https://etcd.io/docs/v3.4/op-guide/runtime-configuration/ and …/learning/design-learner/. */
export function planVoters(view: VoterView): VoterStep {
  const situation = assess(view)
  const { voters } = situation
  if (healthyOf(voters) < quorumOf(voters.length)) return nothing('no quorum: an operator has to restore it')
  return (
    giveUpLearner(situation) ??
    removeLost(situation) ??
    settleLearner(situation) ??
    removeSurplus(situation) ??
    addLearner(situation) ??
    nothing('as it should be')
  )
}

export function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1
}

function assess({ members, nodes, nowMs, limits = VOTER_LIMITS }: VoterView): Situation {
  const seats = members.map((member): Seat => {
    const isLost = !member.isHealthy && nowMs - member.sinceMs >= limits.replaceAfterMs
    return { member, node: nodes.find((node) => isOn(member, node)), isLost }
  })
  const voters = seats.filter(({ member }) => member.role === 'voter')
  const staying = voters.filter(({ node }) => node !== undefined)
  const holding = staying.filter(({ isLost }) => !isLost)
  const lost = staying.filter(({ isLost }) => isLost).toSorted((a, b) => a.member.sinceMs - b.member.sinceMs)
  const spare = nodes.filter((node) => node.isAlive && !staying.some((seat) => seat.node === node))
  const mayKeep = spare.length === 0 && lost.length > 0 ? 1 : 0
  const goal = largestOdd(Math.min(limits.votersMax, holding.length + spare.length + mayKeep))
  return {
    learners: seats.filter(({ member }) => member.role === 'learner'),
    voters,
    holding,
    lost,
    leaving: voters.filter(({ node }) => node === undefined),
    spare,
    goal,
    kept: Math.min(mayKeep, Math.max(0, goal - holding.length)),
    limits,
    nowMs,
  }
}

function isOn({ name, peerUrls }: SeatedMember, { nodeId, peerUrl }: VoterNode): boolean {
  return name === '' ? peerUrls.includes(peerUrl) : name === nodeId
}

function giveUpLearner({ learners, limits, nowMs }: Situation): VoterStep | undefined {
  const goes = learners.find(
    ({ member, node }) =>
      node === undefined || (!member.isHealthy && nowMs - member.sinceMs >= Math.max(limits.learnerPatienceMs, 1)),
  )
  if (goes === undefined) return undefined
  if (goes.node === undefined) return remove(goes, 'its node was removed')
  return { ...remove(goes, 'the learner does not answer'), cameToNothing: true }
}

/** Those that don't answer are needed for nothing, so that they can always go. */
function removeLost({ leaving, lost, kept }: Situation): VoterStep | undefined {
  const gone = leaving.find(({ member }) => !member.isHealthy)
  if (gone !== undefined) return remove(gone, 'its node was removed, and it does not answer')
  const [first] = lost
  return first === undefined || lost.length <= kept ? undefined : remove(first, 'lost: others can do without it')
}

function settleLearner(situation: Situation): VoterStep | undefined {
  const { learners, voters, limits } = situation
  const [learner] = learners
  if (learner === undefined) return undefined
  if (missing(situation) <= 0) return remove(learner, 'enough others vote')
  // Somebody has to go first.
  if (voters.length >= limits.votersMax) return undefined
  if (!learner.member.isHealthy) return nothing('the learner does not answer yet')
  if (!learner.member.isCaughtUp) return nothing('the learner is catching up')
  const { id: memberId } = learner.member
  return { kind: 'promote', memberId, nodeId: learner.node?.nodeId, reason: 'the learner has caught up' }
}

/** Voters of removed nodes once there are enough others, and those beyond the goal. */
function removeSurplus(situation: Situation): VoterStep | undefined {
  const { leaving, voters, holding, goal, limits } = situation
  const isRoomNeeded = voters.length >= limits.votersMax
  if (leaving.length > 0 && (missing(situation) <= 0 || isRoomNeeded)) {
    return removeSafely(leaving, situation, 'its node was removed')
  }
  if (leaving.length > 0 || holding.length <= goal) return undefined
  return removeSafely(holding, situation, `${goal} are enough for as many nodes`)
}

function removeSafely(from: readonly Seat[], { voters, holding }: Situation, reason: string): VoterStep {
  const inZone = (seat: Seat): number => holding.filter(({ node }) => node?.zone === seat.node?.zone).length
  const [first] = from.toSorted(
    (a, b) =>
      Number(a.member.isHealthy) - Number(b.member.isHealthy) ||
      Number(a.member.isLeader) - Number(b.member.isLeader) ||
      inZone(b) - inZone(a) ||
      compare(a.member.id, b.member.id),
  )
  const goes = first as Seat
  const left = healthyOf(voters) - Number(goes.member.isHealthy)
  if (left < quorumOf(voters.length - 1)) return nothing('too few voters answer for one more to go')
  return remove(goes, reason)
}

function addLearner(situation: Situation): VoterStep | undefined {
  const { learners, voters, holding, spare } = situation
  if (learners.length > 0 || missing(situation) <= 0) return undefined
  if (healthyOf(voters) < voters.length) return nothing('none is added while a voter does not answer')
  const inZone = ({ zone }: VoterNode): number => holding.filter(({ node }) => node?.zone === zone).length
  const [best] = spare.toSorted((a, b) => inZone(a) - inZone(b) || a.sinceMs - b.sinceMs || compare(a.nodeId, b.nodeId))
  if (best === undefined) return undefined
  const { nodeId, peerUrl, zone } = best
  return { kind: 'add-learner', nodeId, peerUrl, reason: `a voter is missing, and zone "${zone}" has ${inZone(best)}` }
}

/** Voters that have yet to be found. */
function missing({ goal, kept, holding }: Situation): number {
  return goal - kept - holding.length
}

function remove({ member, node }: Seat, reason: string): Extract<VoterStep, { kind: 'remove' }> {
  return { kind: 'remove', memberId: member.id, nodeId: node?.nodeId, reason, cameToNothing: false }
}

function nothing(reason: string): VoterStep {
  return { kind: 'nothing', reason }
}

function healthyOf(seats: readonly Seat[]): number {
  return seats.filter(({ member }) => member.isHealthy).length
}

function largestOdd(upTo: number): number {
  return upTo < 1 ? 1 : upTo - Number(upTo % 2 === 0)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
