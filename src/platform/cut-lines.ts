import type { Readable } from 'node:stream'
import { LINE_BYTES_MAX } from './processes.ts'

/** Tells `onLine` of each line of the stream, also of one that its end cuts off. Never holds more than one line's limit. */
export function cutLines(stream: Readable, onLine: (line: string) => void): void {
  let pieces: Buffer[] = []
  let bytes = 0
  const keep = (piece: Buffer): void => {
    const kept = piece.subarray(0, LINE_BYTES_MAX - bytes)
    if (kept.length === 0) return
    pieces.push(kept)
    bytes += kept.length
  }
  const tell = (): void => {
    if (bytes > 0) onLine(Buffer.concat(pieces).toString())
    pieces = []
    bytes = 0
  }
  stream.on('data', (piece: Buffer) => {
    let from = 0
    for (let end = piece.indexOf(10); end !== -1; end = piece.indexOf(10, from)) {
      keep(piece.subarray(from, end))
      tell()
      from = end + 1
    }
    keep(piece.subarray(from))
  })
  stream.on('end', tell)
  stream.on('error', tell)
}
