import type { ChunkUsage } from '#chunk/store.ts'

/** What a node tells the others of its room: that of its disk, with everything that lies on it, or as much of it as it offers, with
 *  what its chunks take of that. */
export function offeredSpace(
  usage: Pick<ChunkUsage, 'storedBytes' | 'capacityBytes' | 'freeBytes'>,
  offeredBytes: number | undefined,
): { readonly capacityBytes: number; readonly usedBytes: number } {
  const { storedBytes, capacityBytes = 0, freeBytes = 0 } = usage
  if (offeredBytes !== undefined) return { capacityBytes: offeredBytes, usedBytes: Math.min(storedBytes, offeredBytes) }
  return { capacityBytes, usedBytes: Math.max(0, capacityBytes - freeBytes) }
}
