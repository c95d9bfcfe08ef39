import type { ClassInfo } from '#system/class-desk.ts'

/** A class as it crosses the wire. */
export function classJson({ record, nodes, placed, isShort, isMoving, freeBytes }: ClassInfo): Record<string, unknown> {
  const { name, copies, ack, zones, durability, growsTo } = record
  return {
    ...{ name, copies, ack, zones, durability, growsTo: growsTo ?? null },
    ...{ nodes, placed, short: isShort, moving: isMoving, freeBytes: freeBytes ?? null },
  }
}
