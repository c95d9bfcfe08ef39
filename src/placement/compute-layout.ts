import { ShoalError } from '#foundation/errors.ts'
import { Assignment, NOBODY } from './assignment.ts'
import { COPIES_MAX, LAYOUT_NODES_MAX, Layout, PARTITION_BITS, PARTITION_BITS_MAX } from './layout.ts'
import type { LayoutNode } from './layout.ts'
import { orderHolders } from './primaries.ts'
import { settleAssignment } from './settle-assignment.ts'
import { shapeZones, shareOut } from './shares.ts'

/** Between these a double can hold the shares of the largest and the smallest node beside each other. */
const WEIGHT_MIN = 0.001
const WEIGHT_MAX = 1_000
/** One byte of an encoded layout has the length. */
const ZONE_BYTES_MAX = 255

export interface LayoutRequest {
  /** All nodes, also those of weight 0. */
  readonly nodes: readonly LayoutNode[]
  readonly copies: number
  /** The least number of zones a partition's copies shall lie in: copies are spread over as many as there are in any
   *  case, this is what `shortfall` reports by. */
  readonly zones?: number
  /** What is there now; its partition count is kept. */
  readonly previous?: Layout | undefined
  readonly partitionBits?: number
}

/** The layout that follows `previous`: each node gets its proportional share rounded up or down, copies lie in distinct zones where there
 *  are enough, and of all layouts with these properties it is one that moves the fewest copies (exactly: a flow of least
 *  cost, after the layouts of Garage, Oulamara and Auvolat, "An algorithm for geo-distributed and redundant storage in Garage",
 *  2023). The same request gives the same layout. @throws INVALID_ARGUMENT */
export function computeLayout(request: LayoutRequest): Layout {
  const { copies, zones = 1, previous } = request
  const partitionBits = previous?.partitionBits ?? request.partitionBits ?? PARTITION_BITS
  checkNumber('copies', copies, COPIES_MAX)
  checkNumber('zones', zones, copies)
  checkNumber('partition bits', partitionBits, PARTITION_BITS_MAX)
  const nodes = eligibleNodes(request.nodes)
  const partitions = 2 ** partitionBits
  const version = (previous?.version ?? 0) + 1
  const fields = { version, partitionBits, copies, zones, nodes }
  const holdersEach = Math.min(copies, nodes.length)
  if (holdersEach === 0) return new Layout({ ...fields, assignment: new Uint16Array(0) })

  const shape = shapeZones(nodes, holdersEach)
  const shares = shareOut(nodes, shape, partitions)
  const assignment = new Assignment({ partitions, shape, shares, before: heldBefore(nodes, partitions, previous) })
  settleAssignment(assignment)
  return new Layout({ ...fields, assignment: orderHolders(assignment.holders, { partitions, nodes: nodes.length }) })
}

/** Those that can hold something, in ascending order of id. */
function eligibleNodes(nodes: readonly LayoutNode[]): LayoutNode[] {
  for (const { id, zone, capacityBytes, weight } of nodes) {
    const isSound = Number.isSafeInteger(capacityBytes) && capacityBytes >= 0
    const isWeight = weight === 0 || (weight >= WEIGHT_MIN && weight <= WEIGHT_MAX)
    if (isSound && isWeight && /^[0-9a-f]{32}$/.test(id) && Buffer.byteLength(zone) <= ZONE_BYTES_MAX) continue
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `Node "${id}" in zone "${zone}" with ${capacityBytes} bytes and weight ${weight} fits into no layout: the weight is 0 or ${WEIGHT_MIN} to ${WEIGHT_MAX}`,
    )
  }
  const eligible = nodes.filter(({ capacityBytes, weight }) => capacityBytes * weight > 0)
  if (eligible.length > LAYOUT_NODES_MAX) {
    throw new ShoalError('INVALID_ARGUMENT', `A layout has at most ${LAYOUT_NODES_MAX} nodes, not ${eligible.length}`)
  }
  if (new Set(eligible.map(({ id }) => id)).size < eligible.length) {
    throw new ShoalError('INVALID_ARGUMENT', 'A node is in a layout once')
  }
  return eligible.toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

function checkNumber(what: string, value: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= 1 && value <= most) return
  throw new ShoalError('INVALID_ARGUMENT', `A layout of ${value} ${what} is impossible: 1 to ${most} can be had`)
}

/** What `previous` has, in terms of `nodes`. */
function heldBefore(nodes: readonly LayoutNode[], partitions: number, previous: Layout | undefined): Uint16Array {
  if (previous === undefined || previous.holdersEach === 0) return new Uint16Array(partitions).fill(NOBODY)
  const indexes = new Map(nodes.map(({ id }, index) => [id, index]))
  const renamed = previous.nodes.map(({ id }) => indexes.get(id) ?? NOBODY)
  return previous.assignment.map((index) => renamed[index] as number)
}
