import type { ChunkUsage } from '#chunk/store.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { DrainDocument } from '#gateway/rest/tracker-schemas.ts'
import type { MemberView } from '#membership/member.ts'
import type { SystemView } from '#system/system-view.ts'
import { layoutName } from '#system/system-view.ts'
import type { MemberState, TrackerMember } from '#tracker/ports.ts'
import type { TaskStatus, TrackerStatus } from '#tracker/tracker.ts'

export interface DrainedNode {
  readonly id: NodeId
  /** What it has; undefined if it doesn't answer. */
  readonly usage: ChunkUsage | undefined
  readonly tasks: TrackerStatus['tasks']
  /** All that keep chunks, as the tracker sees them, and what gossip knows of them. */
  readonly members: readonly TrackerMember[]
  readonly known: readonly MemberView[]
  readonly view: Pick<SystemView, 'classes' | 'layouts'>
}

/** Why nodes that should take copies don't. */
const WHY: Readonly<Record<Exclude<MemberState, 'alive'>, string>> = {
  full: 'has no room',
  readonly: 'takes no chunks, being readonly',
  draining: 'is draining too',
  silent: 'does not answer',
  dead: 'is away',
}

/** How far the drain of a node is, and what keeps it from its end. */
export function drainDocument(node: DrainedNode): DrainDocument {
  const task = node.tasks.find(({ state }) => state.task === 'drain' && !state.isDryRun)
  const { usage } = node
  const left = usage === undefined || task === undefined ? undefined : leftOf(usage, task)
  const isMoving = task?.activity === 'running' && task.state.isWalking
  return {
    node: node.id,
    chunks: usage?.chunks ?? null,
    bytes: usage?.liveBytes ?? null,
    left: left ?? null,
    activity: task?.activity ?? 'waiting',
    bytesPerSecond: isMoving ? task.progress.bytesPerSecond : 0,
    secondsLeft: isMoving ? (task.progress.secondsLeft ?? null) : null,
    hindrances: [...hindrancesOf(node, task)],
  }
}

/** What is not known yet to be elsewhere: what the walk has before it, and what it has left behind. */
function leftOf({ chunks, liveBytes }: ChunkUsage, { state, progress }: TaskStatus): { chunks: number; bytes: number } {
  const ahead = state.isWalking || state.finishedAtMs === 0 ? Math.ceil(chunks * (1 - progress.fraction)) : 0
  const left = Math.min(chunks, ahead + state.counters.failed)
  return { chunks: left, bytes: chunks === 0 ? 0 : Math.round((liveBytes * left) / chunks) }
}

function* hindrancesOf(node: DrainedNode, task: TaskStatus | undefined): Generator<string> {
  const { id, usage, members } = node
  if (task?.activity === 'paused') yield 'The task "drain" of the tracker is paused: "shoal tracker resume drain" lets it go on'
  if (task?.activity === 'waiting') yield 'The tracker waits until more than half of the nodes answer'
  if (usage === undefined) yield 'The node itself does not answer: what it has is not known'
  const lacking = [...lackingClasses(node)]
  yield* lacking
  const hasLeftOut = (task?.state.counters.failed ?? 0) > 0
  if (lacking.length > 0 || hasLeftOut)
    for (const { id: other, state } of members)
      if (other !== id && state !== 'alive') yield `${nameOf(node, other)} ${whyNot(node, other, state)}`
  for (const { why, times } of task?.leftOut ?? []) yield `Left for later, ${times} times: ${why}`
  if (!hasLeftOut && lacking.length === 0) yield* unsettled(node)
}

/** Classes with too few nodes for their copies. */
function* lackingClasses({ id, members, view }: DrainedNode): Generator<string> {
  // Who is silent or takes nothing more may have its copies.
  const able = members.filter((other) => other.id !== id && other.state !== 'dead' && other.state !== 'draining').length
  for (const { name, copies } of view.classes.values())
    if (copies > able)
      yield `Class "${name}" asks for ${copies} copies, and ${able === 1 ? '1 other node is' : `${able} other nodes are`} there to have them: add a node, or let it ask for fewer ("shoal class update ${name} --copies ${Math.max(1, able)}")`
}

/** Nothing more is to be copied, but a layout still has the node. */
function* unsettled({ id, tasks, view }: DrainedNode): Generator<string> {
  const names = new Set([...view.classes.values()].map(layoutName))
  const isNamed = [...view.layouts].some(
    ([name, { next, previous }]) =>
      names.has(name) && [next, previous].some((layout) => layout?.nodes.some((each) => each.id === id)),
  )
  if (!isNamed) return
  const rebalance = tasks.find(({ state }) => state.task === 'rebalance' && !state.isDryRun)
  if (rebalance?.activity === 'paused')
    yield 'Chunks have to move to the new layout first, and the task "rebalance" of the tracker is paused: "shoal tracker resume rebalance" lets it go on'
  else
    yield `Chunks move to the new layout first: ${Math.floor((rebalance?.progress.fraction ?? 0) * 100)} % of them have been looked at`
}

function whyNot({ known }: DrainedNode, id: NodeId, state: Exclude<MemberState, 'alive'>): string {
  return known.find((each) => each.id === id)?.state === 'storage-failed'
    ? 'takes no chunks, since its storage has failed'
    : WHY[state]
}

function nameOf({ known }: DrainedNode, id: NodeId): string {
  const host = known.find((each) => each.id === id)?.facts.host
  return `Node ${id}${host === undefined ? '' : ` at ${host}`}`
}
