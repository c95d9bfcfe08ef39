import type { KeyRange, Place } from './keys.ts'
import { kindRange, readEntryKey, readTombstoneKey, tombstonesUpTo } from './keys.ts'
import type { Replica } from './replica.ts'

/** Entries changed in one transaction: it takes some milliseconds. */
const STEP = 256

/** Forgets removals that every member knows of, and losing versions that have become too old. It can stop anywhere. */
export async function tidyReplica(replica: Replica): Promise<void> {
  const floor = await replica.store.read((snapshot) => replica.table.floor(snapshot))
  await tidyRange(replica, tombstonesUpTo(floor), (key) => readTombstoneKey(key).place)
  await tidyRange(replica, kindRange('c'), readEntryKey)
}

async function tidyRange(replica: Replica, { start, end }: KeyRange, placeOf: (key: Buffer) => Place): Promise<void> {
  let from: Uint8Array = start
  for (;;) {
    const keys = await replica.store.read((snapshot) =>
      [...snapshot.range({ start: from, end, limit: STEP })].map(({ key }) => key),
    )
    const last = keys.at(-1)
    if (last === undefined) return
    await replica.store.transact((transaction) => {
      for (const key of keys) replica.table.tidy(transaction, placeOf(key))
    })
    from = Buffer.concat([last, Buffer.of(0)])
  }
}
