// Pages of objects and of versions as S3 lists them: below a prefix, keys with a common prefix up to a delimiter as one.

import type { InodeRecord, ListedRecord } from './record.ts'
import { nameOfRecord, nameOfRow, type VersionName } from './objects.ts'
import { sequenceOf } from './object-part.ts'
import { behindPrefix, type KeyBytes, ObjectWalk, VersionWalk } from './object-walk.ts'
import type { VolumeView } from './transaction.ts'
import { type DeleteMarker, findVersion, type VersionRow } from './versions.ts'

export interface ObjectListRequest {
  readonly prefix: KeyBytes
  /** Empty for none. */
  readonly delimiter: KeyBytes
  /** Behind this key, or this common prefix and all keys that it stands for. */
  readonly after?: KeyBytes | undefined
  /** Where a page that was cut short by `stepsMax` goes on. */
  readonly from?: KeyBytes | undefined
  readonly limit: number
  /** Rows to look at, found or not, before the page is cut short. */
  readonly stepsMax: number
}

export type ListedObject = { readonly key: KeyBytes; readonly record: ListedRecord } | { readonly commonPrefix: KeyBytes }

export interface ObjectPage {
  readonly items: readonly ListedObject[]
  /** There is more behind the last item. */
  readonly isTruncated: boolean
  /** Set when the page was cut short: go on from here. */
  readonly from: KeyBytes | undefined
}

export const nameOfListed = (item: ListedObject): KeyBytes => ('key' in item ? item.key : item.commonPrefix)

export function listObjects(view: VolumeView, request: ObjectListRequest): ObjectPage {
  const { prefix, delimiter, limit, stepsMax } = request
  const items: ListedObject[] = []
  const start = startOf(request)
  if (limit === 0 || start === undefined) return { items, isTruncated: false, from: undefined }
  const walk = new ObjectWalk(view)
  walk.seek(start)
  for (let found = walk.peek(); found !== undefined; found = walk.peek()) {
    const { key } = found
    if (!key.startsWith(prefix)) break
    if (items.length === limit) return { items, isTruncated: true, from: undefined }
    if (walk.steps > stepsMax) return { items, isTruncated: true, from: key }
    const group = groupOf(key, { prefix, delimiter })
    if (group === undefined) {
      items.push(found)
      walk.next()
      continue
    }
    items.push({ commonPrefix: group })
    const behind = behindPrefix(group)
    if (behind === undefined) break
    walk.seek(behind)
  }
  return { items, isTruncated: false, from: undefined }
}

/** The key's beginning up to the first delimiter behind the prefix, if there is one. */
function groupOf(key: KeyBytes, { prefix, delimiter }: { prefix: KeyBytes; delimiter: KeyBytes }): KeyBytes | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

/** The first key that can be listed; `undefined` if there is none. */
function startOf({ prefix, delimiter, after, from }: ObjectListRequest): KeyBytes | undefined {
  if (from !== undefined) return from
  if (after === undefined || after < prefix) return prefix
  if (groupOf(after, { prefix, delimiter }) === after && after.startsWith(prefix)) return behindPrefix(after)
  return `${after}\0`
}

export interface VersionListRequest extends Omit<ObjectListRequest, 'from'> {
  /** Of the key `after`, versions older than this are listed too. */
  readonly afterVersion?: VersionName | undefined
}

export type ListedVersion =
  | {
      readonly key: KeyBytes
      readonly name: VersionName
      readonly isLatest: boolean
      /** `undefined` for a delete marker. */
      readonly record: InodeRecord | undefined
      readonly marker: DeleteMarker | undefined
    }
  | { readonly commonPrefix: KeyBytes }

export interface VersionPage {
  readonly items: readonly ListedVersion[]
  readonly isTruncated: boolean
}

/** Directories without objects count against `stepsMax`: the page is then shorter than it could be. */
export function listVersions(view: VolumeView, request: VersionListRequest): VersionPage {
  const { prefix, delimiter, limit } = request
  const items: ListedVersion[] = []
  const merged = new MergedVersions(view)
  if (limit === 0 || !merged.start(request)) return { items, isTruncated: false }
  for (let found = merged.peek(); found !== undefined; found = merged.peek()) {
    if (!found.key.startsWith(prefix)) break
    if (items.length === limit) return { items, isTruncated: true }
    const group = groupOf(found.key, { prefix, delimiter })
    if (group === undefined) {
      items.push(found)
      merged.advance()
      continue
    }
    items.push({ commonPrefix: group })
    const behind = behindPrefix(group)
    if (behind === undefined) break
    merged.seek(behind)
  }
  return { items, isTruncated: false }
}

type FoundVersion = Extract<ListedVersion, { key: KeyBytes }>

/** Current versions and the others in one order. */
class MergedVersions {
  readonly #view: VolumeView
  readonly #objects: ObjectWalk
  readonly #versions: VersionWalk
  /** The key whose newest version has been met. */
  #begun: KeyBytes | undefined
  #takesObject = false

  constructor(view: VolumeView) {
    this.#view = view
    this.#objects = new ObjectWalk(view)
    this.#versions = new VersionWalk(view)
  }

  seek(from: KeyBytes): void {
    this.#objects.seek(from)
    this.#versions.seek(from)
  }

  /** False if nothing can be listed. */
  start(request: VersionListRequest): boolean {
    const { after, afterVersion } = request
    const start = startOf(request)
    if (start === undefined) return false
    if (after === undefined || after < request.prefix || afterVersion === undefined) {
      this.seek(start)
      return true
    }
    this.#objects.seek(after)
    const current = this.#objects.peek()
    const isCurrent = current?.key === after && nameOfRecord(current.record) === afterVersion
    const sequence = isCurrent
      ? sequenceOf(current.record.object)
      : afterVersion === 'null'
        ? findVersion(this.#view, Buffer.from(after, 'latin1'), 'null')?.sequence
        : afterVersion
    if (current?.key === after) this.#objects.next()
    if (sequence === undefined) this.#versions.seek(`${after}\0`)
    else this.#versions.seek(after, sequence)
    this.#begun = after
    return true
  }

  peek(): FoundVersion | undefined {
    const object = this.#objects.peek()
    const version = this.#versions.peek()
    this.#takesObject = object !== undefined && (version === undefined || object.key <= version.key)
    if (this.#takesObject && object !== undefined) {
      const { key, record } = object
      return { key, name: nameOfRecord(record), isLatest: true, record: record.whole(), marker: undefined }
    }
    return version === undefined ? undefined : this.#describe(version.key, version.row)
  }

  #describe(key: KeyBytes, row: VersionRow): FoundVersion {
    const isLatest = row.marker !== undefined && this.#begun !== key
    return { key, name: nameOfRow(row), isLatest, record: row.record, marker: row.marker }
  }

  advance(): void {
    const taken = this.#takesObject ? this.#objects.next() : this.#versions.next()
    this.#begun = taken?.key
  }
}
