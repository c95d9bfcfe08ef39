// Chunks of a volume that has got another replication class, noted in small steps.

import type { Transaction } from '#kv/store.ts'
import { chunksOf } from './collector.ts'
import { keyAfter, kindRange, KIND, policyKey } from './keys.ts'
import type { KeyPrefix } from './keys.ts'
import { noteClass } from './references.ts'
import { decodeVolume } from './volumes.ts'

/** Rows looked at in one transaction: a few milliseconds of work. */
const ROWS_PER_STEP = 500
const KINDS = [KIND.entry, KIND.inode, KIND.version, KIND.extent, KIND.partExtent]

/** Where a walk through the rows of a volume is. */
export interface ReclassPlace {
  readonly kind: number
  /** The first key that hasn't been looked at. */
  readonly key: Buffer | undefined
}

export const RECLASS_START: ReclassPlace = { kind: 0, key: undefined }

/** Notes for a bounded number of rows that their chunks are of the class that the volume has now. A chunk that nothing else uses is of
 *  that class alone then; others keep the classes that they had too. `undefined` at the end, and once the volume is gone. */
export function reclassStep(tx: Transaction, prefix: KeyPrefix, { kind, key }: ReclassPlace): ReclassPlace | undefined {
  const volume = tx.get(policyKey(prefix))
  const code = KINDS[kind]
  if (volume === undefined || code === undefined) return undefined
  const className = decodeVolume(volume).policy.class
  const { start, end } = kindRange(prefix, code)
  let last: Buffer | undefined
  let rows = 0
  for (const row of tx.range({ start: key ?? start, end, limit: ROWS_PER_STEP })) {
    rows += 1
    last = row.key
    for (const chunk of chunksOf(row.key, row.value)) noteClass(tx, chunk, className)
  }
  return rows < ROWS_PER_STEP || last === undefined ? { kind: kind + 1, key: undefined } : { kind, key: keyAfter(last) }
}
