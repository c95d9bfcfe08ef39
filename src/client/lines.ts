import { ShoalError } from '#foundation/errors.ts'

/** Longest line taken from a server: far more than a path with all its attributes. */
const MAX_LINE_BYTES = 1024 * 1024

/** The lines of a stream of UTF-8 text, without their ends; empty ones (keep-alives) are left out. */
export async function* splitLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const bytes of body) {
    let chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (rest.length > 0) chunk = Buffer.concat([rest, chunk])
    let start = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      if (end > start) yield chunk.toString('utf8', start, end)
      start = end + 1
    }
    rest = chunk.subarray(start)
    if (rest.length > MAX_LINE_BYTES)
      throw new ShoalError('TOO_LARGE', `The server sent a line of more than ${MAX_LINE_BYTES} bytes`)
  }
  if (rest.length > 0) yield rest.toString('utf8')
}
