// Walking objects and their versions in the byte order of their keys, from any key on. Keys are byte strings here (a
// character for each byte), which compare as bytes do; `decodeKey` makes text of them.

import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import { decodeName, encodeName } from '#foundation/name.ts'
import { readEntry, readListed } from './inodes.ts'
import { entryRange, keyAfter, keyOfVersionKey, KIND, kindRange, versionStart } from './keys.ts'
import type { ListedRecord } from './record.ts'
import type { VolumeView } from './transaction.ts'
import { readVersionRow, type VersionRow } from './versions.ts'

export type KeyBytes = string

export const encodeKey = (key: string): KeyBytes => encodeName(key).toString('latin1')
export const decodeKey = (bytes: KeyBytes): string => (ASCII.test(bytes) ? bytes : decodeName(Buffer.from(bytes, 'latin1')))

// eslint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/

/** The first key behind all that begin with `prefix`; `undefined` if there can be none. */
export function behindPrefix(prefix: KeyBytes): KeyBytes | undefined {
  for (let end = prefix.length - 1; end >= 0; end -= 1) {
    const code = prefix.charCodeAt(end)
    if (code < 0xff) return prefix.slice(0, end) + String.fromCharCode(code + 1)
  }
  return undefined
}

export interface WalkedObject {
  readonly key: KeyBytes
  readonly record: ListedRecord
}

interface Level {
  /** The key's bytes up to and with the directory's slash. */
  readonly path: KeyBytes
  readonly inode: InodeId
  rows: IterableIterator<{ readonly key: Buffer; readonly value: Buffer }>
}

const SLASH_CODE = 0x2f
const HEAD_BYTES = 17

/** The objects of a volume. `seek` costs a few reads for each directory on the way, whatever it passes by. */
export class ObjectWalk {
  readonly #view: VolumeView
  #levels: Level[] = []
  #peeked: WalkedObject | undefined
  /** Rows looked at. */
  steps = 0

  constructor(view: VolumeView) {
    this.#view = view
  }

  /** Goes on with the first object whose key is `from` or behind it. */
  seek(from: KeyBytes): void {
    this.#peeked = undefined
    let level = this.#levels.pop()
    while (level !== undefined && !from.startsWith(level.path)) level = this.#levels.pop()
    this.#enter(level?.path ?? '', level?.inode ?? ROOT_INODE, from)
  }

  #enter(path: KeyBytes, inode: InodeId, from: KeyBytes): void {
    this.steps += 1
    const { start, end } = entryRange(this.#view.prefix, inode)
    const slash = from.indexOf('/', path.length)
    if (slash < 0) {
      const first = Buffer.concat([start, Buffer.from(from.slice(path.length), 'latin1')])
      this.#levels.push({ path, inode, rows: this.#view.snapshot.range({ start: first, end }) })
      return
    }
    const entry = Buffer.concat([start, Buffer.from(from.slice(path.length, slash + 1), 'latin1')])
    this.#levels.push({ path, inode, rows: this.#view.snapshot.range({ start: keyAfter(entry), end }) })
    const value = this.#view.snapshot.get(entry)
    if (value === undefined) return
    this.#enter(from.slice(0, slash + 1), readEntry(this.#view, entry, value).record.inode, from)
  }

  peek(): WalkedObject | undefined {
    this.#peeked ??= this.#find()
    return this.#peeked
  }

  next(): WalkedObject | undefined {
    const found = this.#peeked ?? this.#find()
    this.#peeked = undefined
    return found
  }

  #find(): WalkedObject | undefined {
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const step = level.rows.next()
      this.steps += 1
      if (step.done === true) {
        this.#levels.pop()
        continue
      }
      const { key, value } = step.value
      const record = readListed(this.#view, value)
      const path = level.path + key.toString('latin1', HEAD_BYTES)
      if (key.length > HEAD_BYTES && key[key.length - 1] === SLASH_CODE) {
        const rows = this.#view.snapshot.range(entryRange(this.#view.prefix, record.inode))
        this.#levels.push({ path, inode: record.inode, rows })
      } else if (record.type === 'file') return { key: path, record }
    }
    return undefined
  }
}

export interface WalkedVersion {
  readonly key: KeyBytes
  readonly row: VersionRow
}

/** The versions and delete markers that are not current, by key, newest first. */
export class VersionWalk {
  readonly #view: VolumeView
  #rows: IterableIterator<{ readonly key: Buffer; readonly value: Buffer }> | undefined
  #peeked: WalkedVersion | undefined

  constructor(view: VolumeView) {
    this.#view = view
  }

  /** Goes on with the versions of `from` and the keys behind it; with `after`, with those of `from` older than that. */
  seek(from: KeyBytes, after?: number): void {
    this.#peeked = undefined
    const start = versionStart(this.#view.prefix, Buffer.from(from, 'latin1'), after)
    const { end } = kindRange(this.#view.prefix, KIND.version)
    this.#rows = this.#view.snapshot.range({ start, end })
  }

  peek(): WalkedVersion | undefined {
    this.#peeked ??= this.#find()
    return this.#peeked
  }

  next(): WalkedVersion | undefined {
    const found = this.peek()
    this.#peeked = undefined
    return found
  }

  #find(): WalkedVersion | undefined {
    const step = this.#rows?.next()
    if (step === undefined || step.done === true) return undefined
    const { key, value } = step.value
    return { key: keyOfVersionKey(key).toString('latin1'), row: readVersionRow(key, value) }
  }
}
