// New contents that are made of pieces of others, by reference, a bounded number of extents at a time. Until they are
// published nothing refers to them but the garbage list: if nobody goes on with them, the collector takes them apart.

import type { InodeId } from '#foundation/ids.ts'
import { type ContentFields, extentsIn, type NewContents } from './contents.ts'
import { contentBytes, extentKey } from './keys.ts'
import { encodeExtent, type Extent } from './record.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

/** `[start, end)` of some contents as it shall stand at `target`. */
export interface Piece {
  readonly contents: ContentFields
  readonly start: number
  readonly end: number
  readonly target: number
}

/** What tells one state of a file's contents from every other. */
export interface FileState {
  readonly inode: InodeId
  readonly version: number
}

export function isSameContent(a: FileState, b: FileState): boolean {
  return a.inode === b.inode && a.version === b.version
}

/** New contents of a file, made of `pieces`, which are in ascending order of `target` and don't overlap there. */
export interface Rewrite {
  /** Of a file that is being changed: it must still be this when they are published. */
  readonly before?: FileState
  readonly pieces: readonly Piece[]
  readonly sizeBytes: number
}

/** A table of extents that is being made. */
export interface Draft {
  readonly content: number
  /** Its row on the garbage list. */
  readonly row: Buffer
}

/** Extents copied by one transaction. */
const EXTENTS_PER_STEP = 1_000

/** The extents of a piece from `from` on, an offset in the contents that it is taken from; shifted, holes left out. */
function* extentsOfPiece(view: VolumeView, piece: Piece, from = piece.start): Generator<Extent> {
  const { contents, start, end, target } = piece
  if (from >= end) return
  for (const extent of extentsIn(view, contents, { start: from, end })) {
    const first = Math.max(extent.offset, from)
    const last = Math.min(extent.offset + extent.length, end)
    yield {
      chunk: extent.chunk,
      offset: target + first - start,
      length: last - first,
      chunkOffset: extent.chunkOffset + first - extent.offset,
    }
  }
}

export function* extentsOfPieces(view: VolumeView, pieces: readonly Piece[]): Generator<Extent> {
  for (const piece of pieces) yield* extentsOfPiece(view, piece)
}

/** Whoever begins one keeps its content open until it is published or given up, and what the pieces refer to as well. */
export function beginDraft(t: VolumeTransaction): Draft {
  const content = t.allocate()
  return { content, row: t.discard(contentBytes(content)) }
}

/** How far a draft is: the end of the last extent in it, and the bytes of all of them. */
export interface DraftProgress {
  readonly done: boolean
  readonly until: number
  readonly storedBytes: number
}

/** Adds a step's worth of extents. */
export function fillDraft(
  t: VolumeTransaction,
  { content }: Draft,
  pieces: readonly Piece[],
  { until, storedBytes: before }: DraftProgress,
): DraftProgress {
  let count = 0
  let end = until
  let storedBytes = before
  for (const piece of pieces) {
    const from = Math.max(piece.start, piece.start + until - piece.target)
    for (const extent of extentsOfPiece(t, piece, from)) {
      if (count === EXTENTS_PER_STEP) return { done: false, until: end, storedBytes }
      t.retain(extent.chunk)
      t.tx.put(extentKey(t.prefix, content, extent.offset), encodeExtent(extent))
      end = extent.offset + extent.length
      storedBytes += extent.length
      count += 1
    }
  }
  return { done: true, until: end, storedBytes }
}

/** Takes a finished draft off the garbage list: it must become a file's in the same transaction. */
export function takeDraft(
  t: VolumeTransaction,
  draft: Draft,
  { sizeBytes, occupiedBytes }: { readonly sizeBytes: number; readonly occupiedBytes: number },
): NewContents {
  t.tx.delete(draft.row)
  return { kind: 'stored', content: draft.content, sizeBytes, occupiedBytes }
}
