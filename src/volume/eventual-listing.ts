import type { ListedItem, ShownEntry } from '#eventual/listing.ts'
import type { EventualNamespace } from '#eventual/namespace.ts'
import { ShoalError } from '#foundation/errors.ts'
import { decodeName, encodeName } from '#foundation/name.ts'
import { nameOfSegment } from '#foundation/object-key.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { attributesOf, impliedDirectory } from './eventual-attributes.ts'
import { XATTR_PREFIX } from './eventual-xattrs.ts'
import type { Entry, Listing, ListOptions } from './volume.ts'

const PAGE_MAX = 1_000
const LIMIT_MAX = 10_000

export interface ListedDirectory {
  readonly namespace: EventualNamespace
  /** With a slash at its end; empty for the root. */
  readonly key: string
  readonly createdNs: bigint
}

/** A page of what is in a directory. A cursor is the last key of the page before. @throws INVALID_ARGUMENT */
export async function listDirectory(directory: ListedDirectory, options: ListOptions): Promise<Listing> {
  const { limit = PAGE_MAX, recursive = false, cursor } = options
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX)
    throw new ShoalError('INVALID_ARGUMENT', `"limit" can't be ${limit}: 1 to ${LIMIT_MAX} is allowed`, {
      details: { field: 'limit' },
    })
  const page = new ListingPage(directory, options, cursor === undefined ? undefined : readCursor(cursor, directory.key))
  let after = page.lastKey
  let from: string | undefined
  for (;;) {
    const { items, next } = await directory.namespace.list({
      prefix: directory.key,
      ...(recursive ? {} : { delimiter: '/' }),
      ...(from === undefined ? (after === undefined ? {} : { after }) : { cursor: from }),
      limit: PAGE_MAX,
    })
    for (const item of items) {
      if (!(await page.take(item, limit))) return { entries: page.entries, next: cursorOf(page.lastKey ?? '') }
    }
    if (next === undefined) return { entries: page.entries, next: undefined }
    from = next
    after = undefined
  }
}

class ListingPage {
  readonly entries: Entry[] = []
  lastKey: string | undefined
  readonly #directory: ListedDirectory
  readonly #xattr: string | undefined

  constructor(directory: ListedDirectory, { xattr }: ListOptions, lastKey: string | undefined) {
    this.#directory = directory
    this.#xattr = xattr
    this.lastKey = lastKey
  }

  /** False if there was no room for it. */
  async take(item: ListedItem, limit: number): Promise<boolean> {
    const { key, namespace } = this.#directory
    const at = 'entry' in item ? item.entry.path : item.commonPrefix
    if (at === key) return true
    for (const above of directoriesAbove(at, key.length)) {
      if (this.lastKey?.startsWith(above) === true) continue
      if (this.entries.length === limit) return false
      this.#add(above, undefined)
    }
    if (this.entries.length === limit) return false
    this.#add(at, 'entry' in item ? item.entry : await namespace.stat(at))
    return true
  }

  #add(at: string, entry: ShownEntry | undefined): void {
    const { key, namespace, createdNs } = this.#directory
    const path = segmentsOf(at.slice(key.length)).map(nameOfSegment)
    const attributes: Attributes =
      entry === undefined ? impliedDirectory(namespace.volume, at, createdNs) : attributesOf(namespace.volume, entry)
    const xattr = this.#xattr === undefined ? undefined : entry?.value.tags.get(XATTR_PREFIX + this.#xattr)
    this.entries.push({ path, attributes, ...(xattr === undefined ? {} : { xattr }) })
    this.lastKey = at
  }
}

/** The names of a relative key; that of a directory has no empty one at its end. */
export function segmentsOf(key: string): string[] {
  return (key.endsWith('/') ? key.slice(0, -1) : key).split('/')
}

function* directoriesAbove(key: string, from: number): Generator<string> {
  for (let at = key.indexOf('/', from); at >= 0 && at < key.length - 1; at = key.indexOf('/', at + 1)) yield key.slice(0, at + 1)
}

const cursorOf = (key: string): string => encodeName(key).toString('base64url')

function readCursor(cursor: string, prefix: string): string {
  const key = decodeName(Buffer.from(cursor, 'base64url'))
  if (cursorOf(key) === cursor && key.startsWith(prefix) && key !== prefix) return key
  throw new ShoalError('INVALID_ARGUMENT', '"cursor" was not made by this listing: use "next" of the page before', {
    details: { field: 'cursor' },
  })
}
