import type { OpenFile } from './volume.ts'

/** A range of what was there before, for a file that is written anew. */
export async function* piece(
  file: Pick<OpenFile, 'read'>,
  range: { offset: number; length: number },
): AsyncGenerator<Uint8Array> {
  if (range.length > 0) yield* file.read(range)
}

/** What was there before, of `size` bytes, with other bytes in a range. */
export async function* withRange(
  file: Pick<OpenFile, 'read'>,
  size: number,
  { offset, length, bytes }: { offset: number; length: number; bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array> },
): AsyncGenerator<Uint8Array> {
  yield* piece(file, { offset: 0, length: Math.min(offset, size) })
  yield* zeros(offset - size)
  yield* bytes
  yield* piece(file, { offset: offset + length, length: size - offset - length })
}

const ZEROS = Buffer.alloc(65_536)

export function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}
