export interface DirtyPiece {
  readonly offset: number
  readonly bytes: Buffer
}

/** Bytes that were written to a file and aren't stored yet: pieces in order that don't overlap. Later ones replace what they cover. */
export class DirtyRanges {
  #pieces: DirtyPiece[] = []
  #bytes = 0

  get lengthBytes(): number {
    return this.#bytes
  }

  /** Where the last piece ends; 0 if there is none. */
  get end(): number {
    const last = this.#pieces.at(-1)
    return last === undefined ? 0 : last.offset + last.bytes.length
  }

  /** Takes `bytes` over. */
  write(offset: number, bytes: Buffer): void {
    if (bytes.length === 0) return
    const end = offset + bytes.length
    const from = this.#firstEndingAfter(offset)
    let to = from
    const pieces: DirtyPiece[] = []
    for (let piece = this.#pieces[to]; piece !== undefined && piece.offset < end; piece = this.#pieces[to]) {
      if (piece.offset < offset) pieces.push({ offset: piece.offset, bytes: piece.bytes.subarray(0, offset - piece.offset) })
      const pieceEnd = piece.offset + piece.bytes.length
      if (pieceEnd > end) pieces.push({ offset: end, bytes: piece.bytes.subarray(end - piece.offset) })
      this.#bytes -= Math.min(pieceEnd, end) - Math.max(piece.offset, offset)
      to += 1
    }
    const before = pieces.filter((piece) => piece.offset < offset)
    const after = pieces.filter((piece) => piece.offset >= end)
    this.#pieces.splice(from, to - from, ...before, { offset, bytes }, ...after)
    this.#bytes += bytes.length
  }

  /** The pieces that lie in a range, whole. */
  within(offset: number, length: number): readonly DirtyPiece[] {
    const pieces: DirtyPiece[] = []
    for (let at = this.#firstEndingAfter(offset); at < this.#pieces.length; at += 1) {
      const piece = this.#pieces[at] as DirtyPiece
      if (piece.offset >= offset + length) break
      pieces.push(piece)
    }
    return pieces
  }

  /** What has to be stored: pieces that touch each other as one, up to `joinedBytesMax`. */
  *runs(joinedBytesMax = Infinity): Generator<DirtyPiece, void, undefined> {
    for (let at = 0; at < this.#pieces.length;) {
      const first = this.#pieces[at] as DirtyPiece
      const parts = [first.bytes]
      let end = first.offset + first.bytes.length
      for (at += 1; this.#pieces[at]?.offset === end; at += 1) {
        const { bytes } = this.#pieces[at] as DirtyPiece
        if (end - first.offset + bytes.length > joinedBytesMax) break
        parts.push(bytes)
        end += bytes.length
      }
      yield { offset: first.offset, bytes: parts.length === 1 ? first.bytes : Buffer.concat(parts) }
    }
  }

  #firstEndingAfter(offset: number): number {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const piece = this.#pieces[middle] as DirtyPiece
      if (piece.offset + piece.bytes.length > offset) high = middle
      else low = middle + 1
    }
    return low
  }
}
