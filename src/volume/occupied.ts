import type { Attributes } from '#metadata/attributes.ts'

export function occupiedOf({ sizeBytes, occupiedBytes = sizeBytes }: Pick<Attributes, 'sizeBytes' | 'occupiedBytes'>): number {
  return occupiedBytes
}

/** What a file of `sizeBytes` occupies once `writtenBytes` are stored, which aren't yet, over what occupies `occupiedBytes`. Where that has
 *  holes nobody has looked which of them are filled: all that can be. */
export function occupiedWith(facts: { occupiedBytes: number; sizeBytes: number; writtenBytes: number }): number {
  const { occupiedBytes, sizeBytes, writtenBytes } = facts
  return Math.max(occupiedBytes, Math.min(sizeBytes, occupiedBytes + writtenBytes))
}
