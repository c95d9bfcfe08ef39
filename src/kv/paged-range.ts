import { setImmediate } from 'node:timers/promises'
import type { Interval } from './arguments.ts'
import type { KeyValue, KeyValueStore } from './store.ts'

/** A page ends after either figure: large enough that opening a snapshot doesn't count, small enough that the thread isn't
 *  held for more than about a millisecond and little is read in vain when the caller stops early. */
const PAGE_ENTRIES_MAX = 512
const PAGE_BYTES_MAX = 256 * 1024

const ZERO = Buffer.of(0)

/** Walks an interval in pages, each read from a fresh snapshot, with a turn of the event loop between them. */
export async function* pagedRange(
  store: Pick<KeyValueStore, 'read'>,
  interval: Interval | undefined,
): AsyncGenerator<KeyValue, undefined, undefined> {
  for (let rest = interval; rest !== undefined;) {
    const { page, isLast } = await readPage(store, rest)
    rest = isLast ? undefined : after(rest, page)
    yield* page
    if (rest !== undefined) await setImmediate()
  }
  return undefined
}

async function readPage(store: Pick<KeyValueStore, 'read'>, interval: Interval): Promise<{ page: KeyValue[]; isLast: boolean }> {
  return store.read((snapshot) => {
    const { start, end, reverse } = interval
    const limit = Math.min(interval.limit, PAGE_ENTRIES_MAX)
    const page: KeyValue[] = []
    let bytes = 0
    for (const entry of snapshot.range({ start, ...(end === undefined ? {} : { end }), reverse, limit })) {
      page.push(entry)
      bytes += entry.key.length + entry.value.length
      if (bytes >= PAGE_BYTES_MAX) return { page, isLast: page.length === interval.limit }
    }
    return { page, isLast: page.length < limit || page.length === interval.limit }
  })
}

/** What is left of `interval` behind `page`: its start is the successor of the last key, or its end is that key. */
function after(interval: Interval, page: readonly KeyValue[]): Interval | undefined {
  const last = page.at(-1)
  if (last === undefined) return undefined
  const limit = interval.limit - page.length
  return interval.reverse
    ? { ...interval, end: Buffer.from(last.key), limit }
    : { ...interval, start: Buffer.concat([last.key, ZERO]), limit }
}
