import type { KeyValue, LongSnapshot } from './store.ts'

const PAGE_ENTRIES_MAX = 4_096
const PAGE_BYTES_MAX = 4 * 1024 * 1024

/** All rows of a snapshot, some at a time. The snapshot is closed at the end of the walk, or when it is left. */
export async function* rowPages(snapshot: LongSnapshot): AsyncGenerator<readonly KeyValue[], void, undefined> {
  try {
    let page: KeyValue[] = []
    let bytes = 0
    for (const row of snapshot.range({})) {
      page.push(row)
      bytes += row.key.length + row.value.length
      if (page.length < PAGE_ENTRIES_MAX && bytes < PAGE_BYTES_MAX) continue
      yield page
      page = []
      bytes = 0
    }
    if (page.length > 0) yield page
  } finally {
    snapshot.close()
  }
}
