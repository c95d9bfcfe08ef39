import { formatContentRange } from './ranges.ts'
import type { ByteRange } from './ranges.ts'

/** The frame of a `multipart/byteranges` body (RFC 9110, section 14.6): what stands before each range and behind the last. */
export interface MultipartFrame {
  readonly contentType: string
  /** One for each range, in order. */
  readonly heads: readonly Buffer[]
  readonly tail: Buffer
  /** Of the body with all ranges in it. */
  readonly lengthBytes: number
}

/** `boundary` must not occur in the contents: unpredictable text that the author of a file can't know in advance. */
export function frameMultipart(
  ranges: readonly ByteRange[],
  sizeBytes: number,
  part: { readonly boundary: string; readonly contentType: string },
): MultipartFrame {
  const heads = ranges.map((range, index) =>
    Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${part.boundary}\r\nContent-Type: ${part.contentType}\r\nContent-Range: ${formatContentRange(range, sizeBytes)}\r\n\r\n`,
      'latin1',
    ),
  )
  const tail = Buffer.from(`\r\n--${part.boundary}--\r\n`, 'latin1')
  const frameBytes = heads.reduce((sum, head) => sum + head.length, tail.length)
  return {
    contentType: `multipart/byteranges; boundary=${part.boundary}`,
    heads,
    tail,
    lengthBytes: ranges.reduce((sum, range) => sum + range.length, frameBytes),
  }
}
