import type { ChunkInfo } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'

/** Gives the next chunks of one list, in ascending order from `from` (inclusive) on; fewer than `limit` only at the end. */
export type PageSource = (from: ChunkId | undefined, limit: number) => Promise<readonly ChunkInfo[]>

const PAGE_CHUNKS = 1_000

interface Cursor {
  readonly source: PageSource
  page: readonly ChunkInfo[]
  at: number
  isLast: boolean
}

/** Merges lists of chunks into one, each chunk once, touched when the latest of its copies was. */
export async function* mergedList(sources: readonly PageSource[], from?: ChunkId): AsyncGenerator<ChunkInfo> {
  const cursors = sources.map((source): Cursor => ({ source, page: [], at: 0, isLast: false }))
  await Promise.all(cursors.map((cursor) => turn(cursor, from)))
  for (;;) {
    const heads = cursors.flatMap(({ page, at }) => page[at] ?? [])
    const [head, ...others] = heads
    if (head === undefined) return
    const id = others.reduce((least, other) => (other.id < least ? other.id : least), head.id)
    const copies = heads.filter((copy) => copy.id === id)
    yield copies.reduce((latest, copy) => (copy.touchedAtMs > latest.touchedAtMs ? copy : latest))
    for (const cursor of cursors) {
      if (cursor.page[cursor.at]?.id !== id) continue
      cursor.at += 1
      if (cursor.at < cursor.page.length || cursor.isLast) continue
      const next = successor(id)
      if (next !== undefined) await turn(cursor, next)
    }
  }
}

async function turn(cursor: Cursor, from: ChunkId | undefined): Promise<void> {
  cursor.page = await cursor.source(from, PAGE_CHUNKS)
  cursor.at = 0
  cursor.isLast = cursor.page.length < PAGE_CHUNKS
}

/** The least id beyond `id`; `undefined` if there is none. */
function successor(id: ChunkId): ChunkId | undefined {
  const next = (BigInt(`0x${id}`) + 1n).toString(16).padStart(64, '0')
  return next.length > 64 ? undefined : (next as ChunkId)
}
