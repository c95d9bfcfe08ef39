import { assert } from '#foundation/assert.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Layout } from './layout.ts'

/** The layout that holds, and while chunks move to it the one before. Chunks are written where `next` has them, and read there first, then
 *  where `previous` had them: so every chunk is found at each moment of the change. */
export class LayoutPair {
  readonly next: Layout
  readonly previous: Layout | undefined

  constructor(next: Layout, previous?: Layout) {
    assert(previous === undefined || previous.version < next.version, 'layouts follow one another')
    this.next = next
    this.previous = previous
  }

  /** Whether chunks may still lie where the layout before had them. */
  get isChanging(): boolean {
    return this.previous !== undefined
  }

  /** Where a chunk is written, the primary first. */
  writers(chunk: ChunkId): readonly NodeId[] {
    return this.next.holders(chunk)
  }

  /** Where a chunk is read, the likelier first. */
  readers(chunk: ChunkId): readonly NodeId[] {
    const next = this.next.holders(chunk)
    if (this.previous === undefined) return next
    return [...next, ...this.previous.holders(chunk).filter((node) => !next.includes(node))]
  }

  /** When everything has moved. */
  settled(): LayoutPair {
    return new LayoutPair(this.next)
  }
}
