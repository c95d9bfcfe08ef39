import type { Attributes } from '#metadata/attributes.ts'
import { occupiedOf, occupiedWith } from '#volume/occupied.ts'
import { toFuseAttributes } from './fuse-attributes.ts'
import type { MountedNode } from './inode-table.ts'
import type { DirtyPiece } from './dirty-ranges.ts'
import type { LocalFile } from './own-volume.ts'
import { PartPages } from './part-pages.ts'
import type { FuseAttributes } from './protocol/replies.ts'
import type { WrittenFile } from './written-file.ts'

/** A file's contents, as far as the mount has to do with them. */
export interface FileContents {
  readonly written: WrittenFile
  readonly parts: PartPages
  /** When the last of what isn't stored was written. */
  writtenNs: bigint
  /** What the volume had when it was last looked at; `undefined` after a change. */
  reader: LocalFile | undefined
  /** What the volume has since it was changed through this mount, if nobody else has changed it before. */
  storedBytes: number | undefined
  /** Grows with each change. */
  changes: number
}

export function newContents(written: WrittenFile): FileContents {
  return { written, parts: new PartPages(), writtenNs: 0n, reader: undefined, storedBytes: undefined, changes: 0 }
}

/** The volume has contents as the kernel has them, by `piece` if they were written. */
export function stored(contents: FileContents | undefined, { sizeBytes }: Attributes, piece: DirtyPiece | undefined): void {
  if (contents === undefined) return
  contents.storedBytes = sizeBytes
  if (piece !== undefined) contents.parts.stored(piece)
}

/** What the kernel lacks of a node's contents that it has otherwise, if that is at hand. */
export function lackingOf({ isApart, contents }: MountedNode): DirtyPiece | undefined {
  if (contents?.storedBytes === undefined || isApart) return undefined
  return contents.parts.lacking(contents.storedBytes)
}

/** What the kernel is told of a node, of which the volume says `attributes`: of `unstored` contents it can't say all. */
export function shownAttributes(
  node: MountedNode,
  attributes: Attributes,
  unstored: Pick<FileContents, 'written' | 'writtenNs'> | undefined,
): FuseAttributes {
  const links = attributes.links - (node.hiddenAs === undefined ? 0 : 1)
  if (unstored === undefined) return toFuseAttributes(attributes, { ...attributes, links })
  const { written, writtenNs: mtimeNs } = unstored
  const ctimeNs = mtimeNs > attributes.ctimeNs ? mtimeNs : attributes.ctimeNs
  const sizeBytes = Math.max(attributes.sizeBytes, written.end)
  const occupiedBytes = occupiedWith({
    ...{ occupiedBytes: occupiedOf(attributes), sizeBytes, writtenBytes: written.lengthBytes },
  })
  return toFuseAttributes({ ...attributes, mtimeNs, ctimeNs }, { sizeBytes, occupiedBytes, links })
}
