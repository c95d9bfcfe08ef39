import { ShoalError } from '#foundation/errors.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { occupiedOf, occupiedWith } from '#volume/occupied.ts'

/** Where bytes lie in the journal. */
export interface JournalPlace {
  readonly segment: number
  readonly position: number
}

/** Bytes of a file that lie in the journal. */
export interface JournalRun {
  readonly offset: number
  readonly length: number
  readonly place: JournalPlace
}

/** A piece of what a file shows: out of the journal, of what the cluster has, or zeros. */
export type ContentPiece =
  | ({ readonly kind: 'journal' } & JournalRun)
  | { readonly kind: 'base'; readonly offset: number; readonly length: number }
  | { readonly kind: 'zeros'; readonly offset: number; readonly length: number }

/** Zeros that are sent rather than left out: a file that is sent as a whole takes its place in one step. */
const SENT_ZEROS_BYTES_MAX = 1024 * 1024

interface Span {
  readonly offset: number
  readonly end: number
}

/** Changes to the contents of one file that go to the cluster together, over what was there before. */
export class ContentLayer {
  /** In order; they don't overlap. */
  #runs: JournalRun[] = []
  #writtenBytes = 0
  /** What was there before shows through up to here. */
  #shownBytes: number
  #sizeBytes: number
  #keepsRoom: boolean

  /** Over contents of `sizeBytes`, all of which show; `keepsRoom` where more than that is set aside for them. */
  constructor(sizeBytes: number, keepsRoom = false) {
    this.#shownBytes = sizeBytes
    this.#sizeBytes = sizeBytes
    this.#keepsRoom = keepsRoom
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get shownBytes(): number {
    return this.#shownBytes
  }

  get runs(): readonly JournalRun[] {
    return this.#runs
  }

  get keepsRoom(): boolean {
    return this.#keepsRoom
  }

  /** Nothing of what was there before shows or stays, so that the file can be sent as a whole. */
  get isWhole(): boolean {
    return this.#shownBytes === 0 && !this.#keepsRoom
  }

  /** What the file will occupy, as far as that can be told, over what `below` occupies. */
  occupiedOver(below: number): number {
    // What is sent as a whole is sent with its zeros.
    if (this.isWhole) return this.isInParts ? this.#writtenBytes : this.#sizeBytes
    const occupiedBytes = this.#keepsRoom ? below : Math.min(below, this.#shownBytes)
    return occupiedWith({ occupiedBytes, sizeBytes: this.#sizeBytes, writtenBytes: this.#writtenBytes })
  }

  /** It is sent in its parts: what lies between them is a hole, which may be longer than any disk. */
  get isInParts(): boolean {
    if (!this.isWhole) return true
    return this.#sizeBytes - this.#writtenBytes > SENT_ZEROS_BYTES_MAX
  }

  write(run: JournalRun): void {
    const end = run.offset + run.length
    if (run.length === 0) return
    const from = this.#firstEndingAfter(run.offset)
    let to = from
    const around: JournalRun[] = []
    for (let there = this.#runs[to]; there !== undefined && there.offset < end; there = this.#runs[to]) {
      if (there.offset < run.offset) around.push(cut(there, { offset: there.offset, end: run.offset }))
      if (there.offset + there.length > end) around.push(cut(there, { offset: end, end: there.offset + there.length }))
      this.#writtenBytes -= Math.min(there.offset + there.length, end) - Math.max(there.offset, run.offset)
      to += 1
    }
    this.#writtenBytes += run.length
    const [before, after] = [around.filter(({ offset }) => offset < run.offset), around.filter(({ offset }) => offset >= end)]
    this.#runs.splice(from, to - from, ...before, run, ...after)
    this.#sizeBytes = Math.max(this.#sizeBytes, end)
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.#sizeBytes) this.#keepsRoom = false
    this.#shownBytes = Math.min(this.#shownBytes, sizeBytes)
    const kept = this.#runs.slice(0, this.#firstEndingAfter(sizeBytes))
    const last = this.#runs[kept.length]
    if (last !== undefined && last.offset < sizeBytes) kept.push(cut(last, { offset: last.offset, end: sizeBytes }))
    this.#runs = kept
    this.#writtenBytes = kept.reduce((sum, { length }) => sum + length, 0)
    this.#sizeBytes = sizeBytes
  }

  /** Takes in what was changed over it. */
  add(above: ContentLayer): void {
    if (above.#shownBytes < this.#sizeBytes) this.truncate(above.#shownBytes)
    for (const run of above.#runs) this.write(run)
    if (above.#sizeBytes !== this.#sizeBytes) this.truncate(above.#sizeBytes)
    this.#keepsRoom &&= above.#keepsRoom
  }

  /** What `[offset, end)` shows, in order: the parts that come from below as `below`. */
  pieces({ offset, end }: Span, below: (span: Span) => readonly ContentPiece[]): ContentPiece[] {
    const stop = Math.min(end, this.#sizeBytes)
    const pieces: ContentPiece[] = []
    let at = offset
    const fill = (until: number): void => {
      const shownEnd = Math.min(until, this.#shownBytes)
      if (at < shownEnd) pieces.push(...below({ offset: at, end: shownEnd }))
      const zerosFrom = Math.max(at, shownEnd)
      if (zerosFrom < until) pieces.push({ kind: 'zeros', offset: zerosFrom, length: until - zerosFrom })
      at = Math.max(at, until)
    }
    for (let index = this.#firstEndingAfter(offset); index < this.#runs.length; index += 1) {
      const run = this.#runs[index] as JournalRun
      if (run.offset >= stop) break
      fill(Math.max(at, run.offset))
      const part = cut(run, { offset: at, end: Math.min(stop, run.offset + run.length) })
      pieces.push({ kind: 'journal', ...part })
      at = part.offset + part.length
    }
    fill(Math.max(at, stop))
    return pieces
  }

  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const run = this.#runs[middle] as JournalRun
      if (run.offset + run.length > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}

interface Layered {
  readonly layers: readonly ContentLayer[]
  /** What the cluster has. */
  readonly base: Attributes | undefined
}

/** A layer over all that there is. */
export function layerOver({ layers, base }: Layered): ContentLayer {
  const last = layers.at(-1)
  if (last !== undefined) return new ContentLayer(last.sizeBytes, last.keepsRoom)
  return base === undefined ? new ContentLayer(0) : new ContentLayer(base.sizeBytes, occupiedOf(base) > base.sizeBytes)
}

/** How long a file is with layers that aren't stored yet, and what it occupies. */
export function sizesWithLayers({ layers, base }: Layered): Pick<Attributes, 'sizeBytes' | 'occupiedBytes'> {
  const occupiedBytes = layers.reduce((below, layer) => layer.occupiedOver(below), base === undefined ? 0 : occupiedOf(base))
  return { sizeBytes: layers.at(-1)?.sizeBytes ?? base?.sizeBytes ?? 0, occupiedBytes }
}

/** What a file shows of `[offset, offset + length)`: the layers, the oldest first, over contents of the cluster. */
export function contentPieces(
  layers: readonly ContentLayer[],
  range: { readonly offset: number; readonly length: number },
): ContentPiece[] {
  const show = (above: number, span: Span): readonly ContentPiece[] => {
    const layer = layers[above]
    if (layer === undefined) return [{ kind: 'base', offset: span.offset, length: span.end - span.offset }]
    return layer.pieces(span, (below) => show(above - 1, below))
  }
  return [...show(layers.length - 1, { offset: range.offset, end: range.offset + range.length })]
}

function cut(run: JournalRun, { offset, end }: Span): JournalRun {
  const { segment, position } = run.place
  return { offset, length: end - offset, place: { segment, position: position + offset - run.offset } }
}

/** What the cluster would refuse can't be taken back once it was answered. @throws TOO_LARGE */
export function checkEnd(end: number): void {
  if (end > Number.MAX_SAFE_INTEGER) throw new ShoalError('TOO_LARGE', `A volume holds ${Number.MAX_SAFE_INTEGER} bytes at most`)
}
