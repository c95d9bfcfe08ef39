import type { OpenFile } from './volume.ts'

/** A range of what was there before, for a file that is written anew. */
export async function* piece(file: OpenFile, range: { offset: number; length: number }): AsyncGenerator<Uint8Array> {
  if (range.length > 0) yield* file.read(range)
}

const ZEROS = Buffer.alloc(65_536)

export function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length))
}
