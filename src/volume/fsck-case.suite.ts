import assert from 'node:assert/strict'
import type { ChunkId } from '#foundation/ids.ts'
import type { Damaged } from './fsck-damage.suite.ts'
import { pattern, readAll } from './volume-fixture.suite.ts'

/** One kind of damage, planted into a volume that has some of everything. */
export interface FsckCase {
  readonly name: string
  readonly finds: readonly string[]
  readonly damage: (d: Damaged) => Promise<void>
  /** What must hold once it is mended. */
  readonly after?: (d: Damaged) => Promise<void>
}

export const EMPTY: Buffer = Buffer.alloc(0)
export const LARGE: Buffer = pattern(5 * 1024 * 1024 + 7)

export const isAsBefore = async (d: Damaged): Promise<void> => {
  assert.deepEqual(await readAll(await d.fixture.volume.openFile(['a', 'table'])), LARGE)
  assert.deepEqual(await readAll(await d.fixture.volume.openFile(['hard'])), LARGE.subarray(5, 200_005))
}

export const chunkOf = async (d: Damaged, path: string): Promise<ChunkId> => (await d.locate(path)).record.extents[0]!.chunk
