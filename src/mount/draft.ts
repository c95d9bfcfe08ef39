import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { ContentLayer, type ContentPiece, contentPieces, type JournalRun } from './content-layer.ts'
import type { Scratch, ScratchFile } from './scratch.ts'

const PIECE_BYTES = 1024 * 1024
const ZEROS = Buffer.alloc(64 * 1024)

interface Range {
  readonly offset: number
  readonly length: number
}

/** Reads of the version that a draft is made over. */
export type ReadBase = (range: Range) => AsyncIterable<Buffer>

/** A draft at one moment. */
export interface Snapshot {
  readonly sizeBytes: number
  readonly base: Attributes
  readonly changes: number
  /** Under which it was shown. */
  readonly version: number
  readonly mtimeNs: bigint
  read(readBase: ReadBase): AsyncIterable<Buffer>
}

/** What a file is to become: what was written to it here, over a version that the node has. Versions are written whole, so that it lasts until the
 *  file is closed or synced. */
export class Draft {
  readonly #scratch: ScratchFile
  #base: Attributes
  #layer: ContentLayer
  #mtimeNs: bigint
  /** Changes since the base. */
  #changes = 0
  #sentChanges = 0
  /** While it is being sent. */
  sending: Promise<void> | undefined

  constructor(scratch: Scratch, base: Attributes) {
    this.#scratch = scratch.open()
    this.#base = base
    this.#layer = new ContentLayer(base.sizeBytes)
    this.#mtimeNs = base.mtimeNs
  }

  get base(): Attributes {
    return this.#base
  }

  get sizeBytes(): number {
    return this.#layer.sizeBytes
  }

  get isDirty(): boolean {
    return !this.isSent(this.#changes)
  }

  /** How often it was changed. */
  get changes(): number {
    return this.#changes
  }

  /** Whether the node has what it was after so many changes. */
  isSent(changes: number): boolean {
    return changes <= this.#sentChanges
  }

  /** The attributes of the base with what was changed, and a version for each change. */
  attributes(inode: InodeId): Attributes {
    if (!this.isDirty) return { ...this.#base, inode }
    const version = this.#base.version + this.#changes - this.#sentChanges
    return {
      ...this.#base,
      inode,
      version,
      sizeBytes: this.sizeBytes,
      mtimeNs: this.#mtimeNs,
      ctimeNs: this.#mtimeNs,
      sha256: undefined,
    }
  }

  /** Takes `bytes` over. @throws NO_SPACE, the system's errors */
  write({ offset, bytes }: { readonly offset: number; readonly bytes: Buffer }, nowNs: bigint): void {
    const position = this.#scratch.append(bytes)
    this.#layer.write({ offset, length: bytes.length, place: { segment: 0, position } })
    this.#changed(nowNs)
  }

  truncate(sizeBytes: number, nowNs: bigint): void {
    this.#layer.truncate(sizeBytes)
    this.#changed(nowNs)
  }

  /** What is read from the base: nothing once all of it was written or fetched. */
  get missing(): readonly Range[] {
    return this.#pieces({ offset: 0, length: this.sizeBytes }).filter(({ kind }) => kind === 'base')
  }

  /** Puts bytes of the base where they are, so that it isn't needed for them any more. */
  fill(offset: number, bytes: Buffer): void {
    for (const { kind, offset: at, length } of this.#pieces({ offset, length: bytes.length })) {
      if (kind !== 'base') continue
      const position = this.#scratch.append(bytes.subarray(at - offset, at - offset + length))
      this.#layer.write({ offset: at, length, place: { segment: 0, position } })
    }
  }

  /** The one run that differs from the base, where nothing else does. */
  get onlyRun(): JournalRun | undefined {
    const [run, ...more] = this.#layer.runs
    const isSameElsewhere = this.#layer.shownBytes === this.#base.sizeBytes && more.length === 0
    return run !== undefined && isSameElsewhere ? run : undefined
  }

  bytesOf({ place, length }: JournalRun): Buffer {
    return this.#scratch.read(place.position, length)
  }

  /** What it is now, whatever is written to it while that is read. */
  snapshot(): Snapshot {
    const { sizeBytes } = this
    const pieces = this.#pieces({ offset: 0, length: sizeBytes })
    const now = { sizeBytes, base: this.#base, changes: this.#changes, version: this.attributes(this.#base.inode).version }
    return { ...now, mtimeNs: this.#mtimeNs, read: (readBase) => this.#read(pieces, readBase) }
  }

  /** As it is at the moment of the call. */
  read({ offset, length }: Range, readBase: ReadBase): AsyncGenerator<Buffer, void, undefined> {
    return this.#read(this.#pieces({ offset, length: Math.min(length, this.sizeBytes - offset) }), readBase)
  }

  async *#read(pieces: readonly ContentPiece[], readBase: ReadBase): AsyncGenerator<Buffer, void, undefined> {
    for (const piece of pieces) {
      if (piece.kind === 'base') yield* padded(readBase(piece), piece.length)
      else
        for (let at = 0; at < piece.length; at += PIECE_BYTES) {
          const length = Math.min(PIECE_BYTES, piece.length - at)
          if (piece.kind === 'zeros') yield* zeros(length)
          else yield this.#scratch.read(piece.place.position + at, length)
        }
    }
  }

  /** The node has what it was after `changes`, as the version that it lies over now. */
  sent(base: Attributes, changes: number): void {
    this.#sentChanges = changes
    this.#base = base
    if (this.isDirty) return
    this.#layer = new ContentLayer(base.sizeBytes)
    this.#mtimeNs = base.mtimeNs
  }

  /** Others have changed the file: what was written here lies over their version. */
  rebase(base: Attributes): void {
    const wasCut = this.#layer.shownBytes < this.#base.sizeBytes
    this.#base = base
    if (wasCut) return
    const { runs } = this.#layer
    this.#layer = new ContentLayer(base.sizeBytes)
    for (const run of runs) this.#layer.write(run)
  }

  /** Once. */
  close(): void {
    this.#scratch.close()
  }

  #changed(nowNs: bigint): void {
    this.#changes += 1
    this.#mtimeNs = nowNs
  }

  #pieces(range: Range): readonly ContentPiece[] {
    return range.length <= 0 ? [] : contentPieces([this.#layer], range)
  }
}

/** A base that has become shorter is followed by zeros. */
export async function* padded(bytes: AsyncIterable<Buffer>, length: number): AsyncGenerator<Buffer, void, undefined> {
  let got = 0
  for await (const piece of bytes) {
    got += piece.length
    yield piece
  }
  yield* zeros(length - got)
}

function* zeros(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}
