import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { SystemRecords } from './system-records.ts'
import { DEFAULT_NODE_SETTING, NODE_POSTURES, REMOVED_NODE_SETTING } from './system-view.ts'
import type { NodeSetting, SystemEdit, SystemView } from './system-view.ts'

/** A layout can hold the shares of these beside each other: `computeLayout`. */
const WEIGHT_MIN = 0.001
const WEIGHT_MAX = 1_000

/** What operators have decided about the nodes. */
export class NodeSettings {
  readonly #records: SystemRecords

  constructor(records: SystemRecords) {
    this.#records = records
  }

  /** Those that something was decided about; of all others `DEFAULT_NODE_SETTING` holds. */
  get(): ReadonlyMap<NodeId, NodeSetting> {
    return this.#records.view.nodes
  }

  /** @throws INVALID_ARGUMENT, NO_SPACE, UNAVAILABLE */
  async set(id: NodeId, change: NodeChange): Promise<NodeSetting> {
    const after = await this.#records.change((view) => setNode(view, id, change))
    return after.nodes.get(id) ?? DEFAULT_NODE_SETTING
  }

  /** Says of a node that is draining that nothing is needed of it. Nothing happens if that can't be: it was decided otherwise, or a layout has
   *  it. @throws NO_SPACE, UNAVAILABLE */
  async markDrained(id: NodeId): Promise<void> {
    await this.#records.change((view) => drainedNode(view, id))
  }

  /** From now on nobody gives the node a place, whatever it says of itself. @throws NO_SPACE, UNAVAILABLE */
  async remove(id: NodeId): Promise<void> {
    await this.#records.change(() => ({ nodes: new Map([[id, REMOVED_NODE_SETTING]]) }))
  }
}

/** What an operator decides. */
export type NodeChange = Partial<Pick<NodeSetting, 'state' | 'weight'>>

/** @throws INVALID_ARGUMENT */
export function setNode(view: SystemView, id: NodeId, change: NodeChange): SystemEdit | undefined {
  const before = view.nodes.get(id) ?? DEFAULT_NODE_SETTING
  const { state = before.state, weight = before.weight } = change
  const after: NodeSetting = state === before.state ? { ...before, weight } : { state, weight }
  if (!NODE_POSTURES.includes(after.state)) {
    throw new ShoalError('INVALID_ARGUMENT', `A node can't be "${String(after.state)}": ${NODE_POSTURES.join(', ')} are possible`)
  }
  if (after.weight !== 0 && !(after.weight >= WEIGHT_MIN && after.weight <= WEIGHT_MAX)) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `The weight of a node can't be ${after.weight}: 0 or ${WEIGHT_MIN} to ${WEIGHT_MAX} is possible`,
    )
  }
  if (after.state === before.state && after.weight === before.weight) return undefined
  return { nodes: new Map([[id, after]]) }
}

function drainedNode(view: SystemView, id: NodeId): SystemEdit | undefined {
  const before = view.nodes.get(id)
  if (before?.state !== 'draining' || before.isDrained === true) return undefined
  const isPlaced = [...view.layouts.values()].some(
    ({ next, previous }) => next.zoneOf(id) !== undefined || previous?.zoneOf(id) !== undefined,
  )
  return isPlaced ? undefined : { nodes: new Map([[id, { ...before, isDrained: true }]]) }
}
