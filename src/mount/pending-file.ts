import { isShoalError } from '#foundation/errors.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { OpenFile } from '#volume/volume.ts'
import { contentPieces, type JournalPlace } from './content-layer.ts'
import type { PendingNode } from './pending-unit.ts'

/** Contents that are read in one piece as long as they are that short. */
const AT_HAND_BYTES_MAX = 64 * 1024
const NOTHING = Buffer.alloc(0)

export interface PendingFileOptions {
  readonly node: PendingNode
  /** What the cluster was last heard to have of it. */
  readonly openKnown: (base: Attributes) => OpenFile
  /** What lies at a path in the cluster now. */
  readonly openNow: (path: string) => Promise<OpenFile | undefined>
  readonly readJournal: (place: JournalPlace, length: number) => Buffer
}

/** A file of which something lies in the journal. It is read as it is at the moment: whoever changes it opens it anew. */
export class PendingFile implements OpenFile {
  readonly attributes: Attributes
  readonly #options: PendingFileOptions

  constructor(options: PendingFileOptions) {
    this.#options = options
    this.attributes = options.node.attributes
  }

  get bytes(): Buffer | undefined {
    const { node, readJournal } = this.#options
    const { sizeBytes } = this.attributes
    if (sizeBytes === 0) return NOTHING
    if (sizeBytes > AT_HAND_BYTES_MAX || node.pending === 0) return undefined
    const [first, ...others] = contentPieces(node.layers, { offset: 0, length: sizeBytes })
    return first?.kind === 'journal' && others.length === 0 ? readJournal(first.place, first.length) : undefined
  }

  async *read(
    range: { readonly offset: number; readonly length: number },
    signal?: AbortSignal,
  ): AsyncGenerator<Buffer, void, undefined> {
    const { node, readJournal } = this.#options
    // Bytes of the journal are taken at once: they go when the cluster has them, and what is asked of the cluster may take long.
    const pieces = contentPieces(node.layers, range).map((piece) =>
      piece.kind === 'journal'
        ? readJournal(piece.place, piece.length)
        : piece.kind === 'zeros'
          ? Buffer.alloc(piece.length)
          : piece,
    )
    for (const piece of pieces) {
      if (Buffer.isBuffer(piece)) yield piece
      else yield* this.#stored({ offset: piece.offset, length: piece.length }, signal)
    }
  }

  /** What is being sent changes the file in the cluster, and what is renamed its place: it is looked for again then, and read from
   *  where the first reading ended. */
  async *#stored(
    range: { readonly offset: number; readonly length: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer> {
    const { node, openKnown, openNow } = this.#options
    const { base, layers, storedAt, path } = node
    if (base === undefined) return
    let came = 0
    try {
      for await (const bytes of openKnown(base).read(range, signal)) {
        came += bytes.length
        yield bytes
      }
    } catch (error) {
      const isElsewhere = isShoalError(error, 'CONFLICT') || isShoalError(error, 'NOT_FOUND')
      if (!isElsewhere || (layers.length === 0 && storedAt === path)) throw error
      for (const at of new Set([storedAt, path])) {
        const there = await openNow(at)
        if (there?.attributes.inode !== base.inode) continue
        yield* there.read({ offset: range.offset + came, length: range.length - came }, signal)
        return
      }
      throw error
    }
  }

  close(): void {}
}
