// Chunks of a volume that has got another replication class, noted in small steps.

import type { Transaction } from '#kv/store.ts'
import { chunksOf } from './collector.ts'
import { keyAfter, kindRange, KIND, policyKey } from './keys.ts'
import type { KeyPrefix } from './keys.ts'
import { noteClass } from './references.ts'
import { decodeVolume } from './volumes.ts'

/** Rows looked at in one transaction: a few milliseconds of work. */
const ROWS_PER_STEP = 500
/** Parts first: what is committed meanwhile is met again among the files. */
const KINDS = [KIND.partExtent, KIND.entry, KIND.inode, KIND.version, KIND.extent]

/** Where a walk through the rows of a volume is. */
export interface ReclassPlace {
  readonly kind: number
  /** The first key that hasn't been looked at. */
  readonly key: Buffer | undefined
  /** Something was noted since the walk began. */
  readonly hasNoted: boolean
}

export const RECLASS_START: ReclassPlace = { kind: 0, key: undefined, hasNoted: false }

/** Notes for a bounded number of rows that their chunks are of the class that the volume has now. A chunk that nothing else uses is of
 *  that class alone then; others keep the classes that they had too. Chunks that are moved behind the walk, as those of a file that gets
 *  another name, are met by the next one: the last walk is one that finds nothing to note. `undefined` then, and once the volume is gone. */
export function reclassStep(tx: Transaction, prefix: KeyPrefix, { kind, key, hasNoted }: ReclassPlace): ReclassPlace | undefined {
  const volume = tx.get(policyKey(prefix))
  const code = KINDS[kind]
  if (volume === undefined) return undefined
  if (code === undefined) return hasNoted ? RECLASS_START : undefined
  const className = decodeVolume(volume).policy.class
  const { start, end } = kindRange(prefix, code)
  let last: Buffer | undefined
  let rows = 0
  let isNoted = hasNoted
  for (const row of tx.range({ start: key ?? start, end, limit: ROWS_PER_STEP })) {
    rows += 1
    last = row.key
    for (const chunk of chunksOf(row.key, row.value)) if (noteClass(tx, chunk, className)) isNoted = true
  }
  if (rows < ROWS_PER_STEP || last === undefined) return { kind: kind + 1, key: undefined, hasNoted: isNoted }
  return { kind, key: keyAfter(last), hasNoted: isNoted }
}
