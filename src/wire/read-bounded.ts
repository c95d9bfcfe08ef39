import { ShoalError } from '#foundation/errors.ts'

/** The whole of a body that is known to be short. @throws TOO_LARGE past `maxBytes`; what the body throws */
export async function readBounded(
  body: AsyncIterable<Buffer>,
  { maxBytes, what }: { readonly maxBytes: number; readonly what: string },
): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > maxBytes) throw new ShoalError('TOO_LARGE', `${what} is longer than ${maxBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
