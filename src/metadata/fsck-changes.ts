// Checks the change feed: rows without gaps up to the counter.

import type { Snapshot } from '#kv/store.ts'
import { CHANGE_COUNTER_KEY, changeKey, idOfKey, kindRange, KIND, SYSTEM_PREFIX, writeU64 } from './keys.ts'
import { nextChange, tryDecodeChange } from './change-feed.ts'
import type { Steps } from './fsck-check.ts'
import type { Repair } from './repair.ts'

/** Rows removed in one transaction. */
const ROWS_PER_STEP = 10_000

export function* checkChanges(snapshot: Snapshot): Steps {
  let expected: number | undefined
  for (const { key, value } of snapshot.range(kindRange(SYSTEM_PREFIX, KIND.change))) {
    yield undefined
    const number = idOfKey(key)
    if (expected !== undefined && number !== expected) yield missingRows(expected, number)
    expected = number + 1
    if (tryDecodeChange(number, value) !== undefined) continue
    yield {
      problem: 'change-row-unreadable',
      where: `change ${number}`,
      detail: "it can't be read; it goes with those before it, so that followers read everything anew",
      mend: (repair) => removeBefore(repair, number + 1),
    }
  }
  const next = nextChange(snapshot)
  if (expected === undefined || expected === next) return
  if (expected < next) {
    yield missingRows(expected, next)
    return
  }
  const least = expected
  yield {
    problem: 'change-counter-low',
    where: 'the counter of changes',
    detail: `the next change would get the number ${next}, and ${least - 1} is in use`,
    mend: ({ tx }) => {
      if (nextChange(tx) >= least) return
      const value = Buffer.alloc(8)
      writeU64(value, least, 0)
      tx.put(CHANGE_COUNTER_KEY, value)
    },
  }
}

function missingRows(from: number, to: number) {
  return {
    problem: 'change-rows-missing' as const,
    where: `changes ${from} to ${to - 1}`,
    detail: 'they are missing; those before them go too, so that followers read everything anew',
    mend: (repair: Repair) => removeBefore(repair, to),
  }
}

/** Removes the changes before `number`, the newest first: what is left has no gap at any time. */
function removeBefore({ tx }: Repair, number: number): void {
  const rows = tx.range({ start: changeKey(0), end: changeKey(number), reverse: true, limit: ROWS_PER_STEP })
  for (const { key } of [...rows]) tx.delete(key)
}
