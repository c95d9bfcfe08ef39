import type { PieceSource } from './arriving-chunk.ts'

/** What an iterable yields, as it comes. */
export function piecesOf(source: AsyncIterable<Uint8Array>): PieceSource {
  return {
    async each(take) {
      for await (const piece of source) take(piece)
    },
  }
}
