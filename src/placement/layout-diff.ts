import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Layout } from './layout.ts'

/** What becomes of a partition whose holders change. */
export interface PartitionMove {
  readonly partition: number
  /** Who gets a copy. */
  readonly gain: readonly NodeId[]
  /** Who may forget theirs, once the others have got one. */
  readonly lose: readonly NodeId[]
  readonly keep: readonly NodeId[]
}

export interface LayoutDiff {
  /** In ascending order of partition; a mere change of the primary is none. */
  readonly moves: readonly PartitionMove[]
  /** Copies of partitions that somebody has to get. */
  readonly copiesMoved: number
}

/** What moves when `next` follows `previous`, which is `undefined` before the first layout.
 *  @throws INVALID_ARGUMENT if they don't cut the chunks into the same partitions */
export function diffLayouts(previous: Layout | undefined, next: Layout): LayoutDiff {
  if (previous !== undefined && previous.partitions !== next.partitions) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `Layout ${next.version} has ${next.partitions} partitions and layout ${previous.version} has ${previous.partitions}: they can't be compared`,
    )
  }
  const moves: PartitionMove[] = []
  let copiesMoved = 0
  for (let partition = 0; partition < next.partitions; partition += 1) {
    const before = previous?.holdersOf(partition) ?? []
    const after = next.holdersOf(partition)
    const gain = after.filter((node) => !before.includes(node))
    const lose = before.filter((node) => !after.includes(node))
    if (gain.length === 0 && lose.length === 0) continue
    moves.push({ partition, gain, lose, keep: after.filter((node) => before.includes(node)) })
    copiesMoved += gain.length
  }
  return { moves, copiesMoved }
}
