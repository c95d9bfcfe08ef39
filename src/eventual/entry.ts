import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { HybridTime } from './hybrid-clock.ts'

/** What is kept inline, in bytes. */
export const INLINE_BYTES_MAX = 4096
/** Extents of one version; a longer list is a content of its own, to which `manifest` refers. */
export const EXTENTS_MAX = 256
export const TAGS_MAX = 128
/** Names and values together, in bytes. */
export const TAG_BYTES_MAX = 16 * 1024

export interface Extent {
  readonly chunk: ChunkId
  readonly lengthBytes: number
}

/** `manifest`: the extents of a long file are written one after another, 40 bytes each, into the chunks named. */
export type Content =
  | { readonly kind: 'inline'; readonly bytes: Buffer }
  | { readonly kind: 'chunks' | 'manifest'; readonly extents: readonly Extent[] }

export const ENTRY_TYPES = ['file', 'directory', 'symlink'] as const

/** What a path holds. A symbolic link's content is its target. */
export interface EntryValue {
  readonly type: (typeof ENTRY_TYPES)[number]
  readonly sizeBytes: number
  /** Of the whole content, where it is known. */
  readonly sha256: Buffer | undefined
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly btimeNs: bigint
  /** Extended attributes, and what objects have beside their bytes. */
  readonly tags: ReadonlyMap<string, Buffer>
  readonly content: Content
}

/** Which version: the time and node of the write. No two writes share them, so they stand for the content, too. */
export interface Dot {
  readonly time: HybridTime
  readonly node: NodeId
}

/** What one write left at a path. */
export interface Version extends Dot {
  /** `undefined`: it was removed. */
  readonly value: EntryValue | undefined
  /** A removal that loses against any concurrent write, however late: that of a directory's content, or of a rename's source. */
  readonly yields: boolean
}

/** What is known of one path. Two versions are both here only if neither's writer knew of the other. */
export interface EntryState {
  /** The winner first, in the order of `compareVersions`. */
  readonly versions: readonly Version[]
  /** Up to which time each node's writes here are overwritten or dropped, where that isn't plain from the versions: a version
   *  says it of its own node. */
  readonly context: ReadonlyMap<NodeId, HybridTime>
}

export const NOTHING: EntryState = { versions: [], context: new Map() }

/** The winner first: the later write; a yielding removal comes behind all others. Total: two versions are never equal. */
export function compareVersions(a: Version, b: Version): number {
  if (a.yields !== b.yields) return a.yields ? 1 : -1
  if (a.time !== b.time) return b.time - a.time
  if (a.node === b.node) return 0
  return a.node < b.node ? 1 : -1
}

export function isSameDot(a: Dot, b: Dot): boolean {
  return a.time === b.time && a.node === b.node
}

/** What a path shows, or `undefined` if there is nothing at it. */
export function shownVersion(state: EntryState): (Version & { readonly value: EntryValue }) | undefined {
  const [winner] = state.versions
  return winner?.value === undefined ? undefined : { ...winner, value: winner.value }
}

/** The greatest time that the state knows of. */
export function latestTime({ versions, context }: EntryState): HybridTime {
  let latest = 0
  for (const { time } of versions) latest = Math.max(latest, time)
  for (const time of context.values()) latest = Math.max(latest, time)
  return latest as HybridTime
}

/** Dots in writing: 14 hexadecimal digits of the time, "-", the node. */
export function formatDot({ time, node }: Dot): string {
  return `${time.toString(16).padStart(14, '0')}-${node}`
}

export function parseDot(text: string): Dot | undefined {
  const match = /^([0-9a-f]{14})-([0-9a-f]{32})$/.exec(text)
  if (match === null) return undefined
  const time = Number.parseInt(match[1] as string, 16)
  return Number.isSafeInteger(time) ? { time: time as HybridTime, node: match[2] as NodeId } : undefined
}
