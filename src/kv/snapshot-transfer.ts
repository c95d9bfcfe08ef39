import type { KeptState } from './commit-base.ts'
import type { KeyValue } from './store.ts'

/** A page ends after either figure: it is one message, and one commit of whoever takes it. */
const PAGE_ENTRIES_MAX = 4_096
const PAGE_BYTES_MAX = 4 * 1024 * 1024

/** A whole state as of one moment of the log. */
export interface StateSnapshot {
  readonly stateId: Buffer
  /** The last entry of the log that is in it. */
  readonly index: number
  /** Everything, in the order of the keys. To be walked once; leaving the walk lets the snapshot go. */
  readonly pages: AsyncIterable<readonly KeyValue[]>
}

/** Where a replica that is too far behind gets a state from: another replica, over whatever leads there. */
export interface SnapshotSource {
  /** @throws UNAVAILABLE when nobody has one at the moment; it is asked again later */
  fetchSnapshot(signal: AbortSignal): Promise<StateSnapshot>
}

/** All of `state`, which is released at the end of the walk, or when it is left. */
export async function* pagesOf(state: KeptState): AsyncGenerator<readonly KeyValue[], void, undefined> {
  try {
    const walk = state.range({ start: Buffer.alloc(0), end: undefined, reverse: false, limit: Infinity })
    let page: KeyValue[] = []
    let bytes = 0
    for (const entry of walk) {
      page.push(entry)
      bytes += entry.key.length + entry.value.length
      if (page.length < PAGE_ENTRIES_MAX && bytes < PAGE_BYTES_MAX) continue
      yield page
      page = []
      bytes = 0
    }
    if (page.length > 0) yield page
  } finally {
    state.release()
  }
}
