import type { KeyRange, Place } from './keys.ts'
import { kindRange, readEntryKey, readRumourKey, readTombstoneKey, tombstonesUpTo } from './keys.ts'
import type { Replica } from './replica.ts'

/** Entries changed in one transaction: it takes some milliseconds. */
const STEP = 256

/** Forgets removals that every member knows of, losing versions that have become too old, and rumours that are told no more. It can
 *  stop anywhere. */
export async function tidyReplica(replica: Replica): Promise<void> {
  const floor = await replica.store.read((snapshot) => replica.table.floor(snapshot))
  await tidyRange(replica, tombstonesUpTo(floor), (key) => readTombstoneKey(key).place)
  await tidyRange(replica, kindRange('c'), readEntryKey)
  for await (const keys of pages(replica, kindRange('r'))) await replica.buryRumours(keys.map(readRumourKey))
}

async function tidyRange(replica: Replica, range: KeyRange, placeOf: (key: Buffer) => Place): Promise<void> {
  for await (const keys of pages(replica, range)) {
    await replica.store.transact((transaction) => {
      for (const key of keys) replica.table.tidy(transaction, placeOf(key))
    })
  }
}

async function* pages(replica: Replica, { start, end }: KeyRange): AsyncGenerator<Buffer[]> {
  let from: Uint8Array = start
  for (;;) {
    const keys = await replica.store.read((snapshot) =>
      [...snapshot.range({ start: from, end, limit: STEP })].map(({ key }) => key),
    )
    const last = keys.at(-1)
    if (last === undefined) return
    yield keys
    from = Buffer.concat([last, Buffer.of(0)])
  }
}
