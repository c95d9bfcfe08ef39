// Pages of a volume's entries, in the byte order of their paths, as S3 lists keys: below a prefix, paths with a common prefix up to a
// delimiter as one.

import { ShoalError } from '#foundation/errors.ts'
import { decodeName, encodeName } from '#foundation/name.ts'
import type { Snapshot } from '#kv/store.ts'
import { decodeState } from './entry-codec.ts'
import { type EntryState, type EntryValue, shownVersion, type Version } from './entry.ts'
import { placeRange, readEntryKey } from './keys.ts'

export interface ShownEntry {
  readonly path: string
  readonly version: Version
  readonly value: EntryValue
  /** Whether there are other versions that lost against this one. */
  readonly hasConflicts: boolean
}

export type ListedItem = { readonly entry: ShownEntry } | { readonly commonPrefix: string }

export interface ListRequest {
  readonly prefix?: string
  readonly delimiter?: string
  /** Behind this path; if it is a common prefix, behind all that it stands for. */
  readonly after?: string
  /** `next` of the page before, instead of `after`. */
  readonly cursor?: string
  /** 1 to 1,000; that by default. */
  readonly limit?: number
  /** Which entries count; all unless given. */
  readonly counts?: (value: EntryValue) => boolean
}

export interface ListedPage {
  readonly items: readonly ListedItem[]
  /** Set if there may be more. */
  readonly next: string | undefined
}

export const LIST_MAX = 1000
/** Rows looked at for one page, those of removed entries too: some milliseconds. */
const ROWS_MAX = 10_000

export function listEntries(snapshot: Snapshot, volume: string, request: ListRequest): ListedPage {
  const prefix = bytesOf(request.prefix ?? '')
  const delimiter = bytesOf(request.delimiter ?? '')
  const { limit = LIST_MAX, counts } = request
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_MAX)
    throw new ShoalError('INVALID_ARGUMENT', `A page of ${limit} entries was asked for; 1 to ${LIST_MAX} are possible`)
  const items: ListedItem[] = []
  let from = startOf(request, { prefix, delimiter })
  let looked = 0
  while (from !== undefined) {
    const { start, end } = placeRange('e', { volume, prefix, from })
    let seek: string | undefined
    for (const { key, value } of snapshot.range({ start, end })) {
      const { path } = readEntryKey(key)
      if (items.length === limit || (looked += 1) > ROWS_MAX) return { items, next: encodeCursor(path) }
      const entry = shownEntry(path, decodeState(value))
      if (entry === undefined || counts?.(entry.value) === false) continue
      const group = groupOf(path, { prefix, delimiter })
      if (group === undefined) {
        items.push({ entry })
        continue
      }
      items.push({ commonPrefix: nameOf(group) })
      seek = behindPrefix(group)
      break
    }
    from = seek
  }
  return { items, next: undefined }
}

export function shownEntry(path: string, state: EntryState): ShownEntry | undefined {
  const shown = shownVersion(state)
  if (shown === undefined) return undefined
  return { path: nameOf(path), version: shown, value: shown.value, hasConflicts: state.versions.length > 1 }
}

/** The path's beginning up to the first delimiter behind the prefix, if there is one. */
export function groupOf(path: string, { prefix, delimiter }: { prefix: string; delimiter: string }): string | undefined {
  if (delimiter === '') return undefined
  const at = path.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : path.slice(0, at + delimiter.length)
}

export function startOf(
  request: Pick<ListRequest, 'after' | 'cursor'>,
  parts: { prefix: string; delimiter: string },
): string | undefined {
  const { prefix } = parts
  if (request.cursor !== undefined) {
    const from = decodeCursor(request.cursor)
    if (!from.startsWith(prefix)) throw notACursor(request.cursor)
    return from
  }
  const after = request.after === undefined ? undefined : bytesOf(request.after)
  if (after === undefined || after < prefix) return prefix
  if (groupOf(after, parts) === after && after.startsWith(prefix)) return behindPrefix(after)
  return after.startsWith(prefix) ? `${after}\0` : undefined
}

/** The first path behind all that begin with `prefix`, if there can be one. */
export function behindPrefix(prefix: string): string | undefined {
  let length = prefix.length
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length -= 1
  if (length === 0) return undefined
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}

export function bytesOf(text: string): string {
  return encodeName(text).toString('latin1')
}

export function nameOf(bytes: string): string {
  return decodeName(Buffer.from(bytes, 'latin1'))
}

export function encodeCursor(path: string): string {
  return Buffer.from(path, 'latin1').toString('base64url')
}

/** @throws INVALID_ARGUMENT */
export function decodeCursor(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url')
  if (bytes.length === 0 || bytes.toString('base64url') !== cursor) throw notACursor(cursor)
  return bytes.toString('latin1')
}

function notACursor(cursor: string): ShoalError {
  return new ShoalError(
    'INVALID_ARGUMENT',
    `"${cursor.slice(0, 60)}" is no cursor of this listing: use "next" of the page before`,
  )
}
