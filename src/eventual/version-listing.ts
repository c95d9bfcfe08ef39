import type { Snapshot } from '#kv/store.ts'
import { decodeState } from './entry-codec.ts'
import { type Dot, type EntryState, type EntryValue, type Version } from './entry.ts'
import { placeRange, readEntryKey } from './keys.ts'
import { behindPrefix, bytesOf, decodeCursor, encodeCursor, groupOf, nameOf, startOf } from './listing.ts'

export interface VersionRequest {
  readonly prefix: string
  readonly delimiter: string
  /** Behind this path; if it is a common prefix, behind all that it stands for. */
  readonly after?: string | undefined
  /** Of the path `after`, what comes behind this version is listed too. */
  readonly afterVersion?: Dot | undefined
  /** `next` of the page before, instead of `after`. */
  readonly cursor?: string | undefined
  /** At least 1. A path whose versions don't all fit is listed in part. */
  readonly limit: number
  /** Which versions count; of a path with none of these, nothing. */
  readonly counts: (value: EntryValue) => boolean
}

export type VersionItem =
  | { readonly path: string; readonly version: Version; readonly isLatest: boolean }
  | { readonly commonPrefix: string }

export interface VersionPage {
  readonly items: readonly VersionItem[]
  /** There may be more behind the last item. */
  readonly isTruncated: boolean
  /** The page was cut short because it took too long: it goes on here. */
  readonly next: string | undefined
}

/** Rows looked at for one page: some milliseconds. */
const ROWS_MAX = 10_000

/** Versions in the byte order of their paths, of one path the winner first. */
export function listVersions(snapshot: Snapshot, volume: string, request: VersionRequest): VersionPage {
  const parts = { prefix: bytesOf(request.prefix), delimiter: bytesOf(request.delimiter) }
  const items: VersionItem[] = []
  let looked = 0
  for (let from = firstOf(request, parts); from !== undefined;) {
    const { start, end } = placeRange('e', { volume, prefix: parts.prefix, from })
    from = undefined
    for (const { key, value } of snapshot.range({ start, end })) {
      const { path } = readEntryKey(key)
      if ((looked += 1) > ROWS_MAX) return { items, isTruncated: true, next: encodeCursor(path) }
      const versions = versionsOf(path, decodeState(value), request)
      if (versions.length === 0) continue
      if (items.length === request.limit) return { items, isTruncated: true, next: undefined }
      const group = groupOf(path, parts)
      if (group !== undefined) {
        items.push({ commonPrefix: nameOf(group) })
        from = behindPrefix(group)
        break
      }
      for (const version of versions) {
        if (items.length === request.limit) return { items, isTruncated: true, next: undefined }
        items.push(version)
      }
    }
  }
  return { items, isTruncated: false, next: undefined }
}

function firstOf(request: VersionRequest, parts: { prefix: string; delimiter: string }): string | undefined {
  const { after, afterVersion, cursor } = request
  if (cursor !== undefined) return decodeCursor(cursor)
  if (after === undefined) return parts.prefix
  const path = bytesOf(after)
  // The path itself, where some of its versions are still to come.
  if (afterVersion !== undefined && path.startsWith(parts.prefix)) return path
  return startOf({ after }, parts)
}

function versionsOf(path: string, state: EntryState, { after, afterVersion, counts }: VersionRequest): VersionItem[] {
  const listed = state.versions
    .map((version, at) => ({ path: nameOf(path), version, isLatest: at === 0 }))
    .filter(({ version: { value } }) => value === undefined || counts(value))
  // What is left of a path that was removed, or that nobody sees, is of no interest.
  if (!listed.some(({ version }) => version.value !== undefined)) return []
  if (afterVersion === undefined || after === undefined || bytesOf(after) !== path) return listed
  const at = listed.findIndex(({ version }) => version.time === afterVersion.time && version.node === afterVersion.node)
  return at >= 0 ? listed.slice(at + 1) : listed.filter(({ version }) => version.time < afterVersion.time)
}
