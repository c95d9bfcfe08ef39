// Listing a directory, or everything below it, in pages. The order is the byte order of the full paths, in which a
// directory `a` counts as `a/`: exactly the order in which S3 lists keys.

import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { checkName } from '#foundation/path.ts'
import { isHiddenMarker } from './entries.ts'
import { findEntry, type Located, readEntry } from './inodes.ts'
import { type EntryForm, entryKey, entryRange, keyAfter, readEntryKey } from './keys.ts'
import type { InodeRecord } from './record.ts'
import type { VolumeView } from './transaction.ts'

export interface ListedEntry {
  /** Relative to the directory listed. */
  readonly path: readonly string[]
  readonly record: InodeRecord
}

export interface ListPage {
  readonly entries: ListedEntry[]
  readonly next: string | undefined
}

export interface ListRequest {
  readonly cursor?: string
  readonly limit: number
  readonly recursive: boolean
}

interface Cursor {
  readonly names: readonly string[]
  readonly form: EntryForm
}

export function listDirectory(view: VolumeView, directory: InodeId, request: ListRequest): ListPage {
  const after = request.cursor === undefined ? undefined : decodeCursor(request.cursor, request.recursive)
  const scan = request.recursive ? scanTree(view, directory, after) : scanDirectory(view, directory, after)
  const entries: ListedEntry[] = []
  for (const entry of scan) {
    entries.push(entry)
    if (entries.length === request.limit) return { entries, next: encodeCursor(entry) }
  }
  return { entries, next: undefined }
}

export function* scanDirectory(view: VolumeView, directory: InodeId, after?: Cursor): Generator<ListedEntry> {
  const name = after?.names[0]
  for (const { key, value } of rowsAfter(
    view,
    directory,
    after === undefined || name === undefined ? undefined : { name, form: after.form },
  )) {
    if (isHiddenMarker(key, value)) continue
    yield { path: [readEntryKey(key).name], record: readEntry(view, key, value).record }
  }
}

interface Level {
  readonly path: readonly string[]
  readonly rows: IterableIterator<{ readonly key: Buffer; readonly value: Buffer }>
}

/** Everything below a directory, depth first, each directory before its contents. */
export function* scanTree(view: VolumeView, directory: InodeId, after?: Cursor): Generator<ListedEntry> {
  const levels = after === undefined ? [{ path: [], rows: rowsAfter(view, directory) }] : resume(view, directory, after)
  for (let level: Level | undefined = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const step = level.rows.next()
    if (step.done === true) {
      levels.pop()
      continue
    }
    const { key, value } = step.value
    if (isHiddenMarker(key, value)) continue
    const { record } = readEntry(view, key, value)
    const path = [...level.path, readEntryKey(key).name]
    yield { path, record }
    if (record.type === 'directory') levels.push({ path, rows: rowsAfter(view, record.inode) })
  }
}

/** The levels of a scan as they stood behind `after`, also when some of it is gone by now. */
function resume(view: VolumeView, directory: InodeId, after: Cursor): Level[] {
  const levels: Level[] = []
  let at: InodeId | undefined = directory
  for (const [index, name] of after.names.entries()) {
    if (at === undefined) break
    const isLast = index === after.names.length - 1
    const form = isLast ? after.form : 'directory'
    levels.push({ path: after.names.slice(0, index), rows: rowsAfter(view, at, { name, form }) })
    const next: Located | undefined = form === 'directory' ? findEntry(view, at, { name, form }) : undefined
    at = next?.record.inode
  }
  if (at !== undefined && after.form === 'directory') levels.push({ path: after.names, rows: rowsAfter(view, at) })
  return levels
}

function rowsAfter(view: VolumeView, directory: InodeId, after?: { name: string; form: EntryForm }) {
  const range = entryRange(view.prefix, directory)
  if (after === undefined) return view.snapshot.range(range)
  return view.snapshot.range({ ...range, start: keyAfter(entryKey(view.prefix, directory, after.name, after.form)) })
}

function encodeCursor({ path, record }: ListedEntry): string {
  return Buffer.from(JSON.stringify([record.type === 'directory' ? 1 : 0, ...path])).toString('base64url')
}

function decodeCursor(text: string, recursive: boolean): Cursor {
  const parsed = tryParse(text)
  const [form, ...names]: unknown[] = Array.isArray(parsed) ? parsed : []
  const isDeepEnough = recursive ? names.length > 0 : names.length === 1
  if ((form !== 0 && form !== 1) || !isDeepEnough || !names.every(isName)) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `"${text.slice(0, 80)}" is not a cursor of a listing: pass "next" of the page before, unchanged`,
    )
  }
  return { names, form: form === 1 ? 'directory' : 'file' }
}

function isName(name: unknown): name is string {
  if (typeof name !== 'string') return false
  try {
    checkName(name)
    return true
  } catch {
    return false
  }
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
