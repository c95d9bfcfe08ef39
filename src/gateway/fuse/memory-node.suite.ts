// The inodes of a file system in memory, for tests of the session. Only tests import it.
import type { Clock } from '#platform/clock.ts'
import type { FuseAttributes } from './protocol/replies.ts'
import type { FuseTime } from './protocol/requests.ts'

export const TYPE_MASK = 0o170000
export const DIRECTORY = 0o040000
export const REGULAR = 0o100000
export const SYMLINK = 0o120000
/** The longest request is one page. */
const PAGE_BYTES = 1024 * 1024
const HOLE = Buffer.alloc(PAGE_BYTES)

export class MemoryNode {
  readonly id: number
  mode: number
  uid: number
  gid: number
  links = 1
  rdev = 0
  size = 0
  target: Buffer = Buffer.alloc(0)
  readonly entries = new Map<string, MemoryNode>()
  readonly xattrs = new Map<string, Buffer>()
  /** How often the kernel has looked it up. */
  lookups = 0
  /** Open handles. */
  opens = 0
  atime: FuseTime
  mtime: FuseTime
  ctime: FuseTime
  /** Those that aren't there are holes. */
  readonly #pages = new Map<number, Buffer>()

  constructor(made: {
    readonly id: number
    readonly mode: number
    readonly uid: number
    readonly gid: number
    readonly at: FuseTime
  }) {
    this.id = made.id
    this.mode = made.mode
    this.uid = made.uid
    this.gid = made.gid
    this.atime = made.at
    this.mtime = made.at
    this.ctime = made.at
    if (this.isDirectory) this.links = 2
  }

  get isDirectory(): boolean {
    return (this.mode & TYPE_MASK) === DIRECTORY
  }

  read(offset: number, length: number): Buffer {
    const end = Math.min(offset + length, this.size)
    if (end <= offset) return Buffer.alloc(0)
    const first = Math.floor(offset / PAGE_BYTES)
    const within = offset - first * PAGE_BYTES
    if (within + end - offset <= PAGE_BYTES) return (this.#pages.get(first) ?? HOLE).subarray(within, within + end - offset)
    const bytes = Buffer.alloc(end - offset)
    this.#eachPage({ from: offset, to: end }, (page, { at, from, to }) => {
      this.#pages.get(page)?.copy(bytes, at - offset, from, to)
    })
    return bytes
  }

  write(offset: number, bytes: Buffer): void {
    const end = offset + bytes.length
    this.#eachPage({ from: offset, to: end }, (page, { at, from, to }) => {
      let there = this.#pages.get(page)
      if (there === undefined) this.#pages.set(page, (there = Buffer.alloc(PAGE_BYTES)))
      bytes.copy(there, from, at - offset, at - offset + to - from)
    })
    this.size = Math.max(this.size, end)
  }

  fill(start: number, end: number): void {
    this.#eachPage({ from: start, to: Math.min(end, this.size) }, (page, { from, to }) => {
      this.#pages.get(page)?.fill(0, from, to)
    })
  }

  resize(size: number): void {
    this.fill(size, this.size)
    this.size = size
  }

  attributes(): FuseAttributes {
    return {
      inode: this.id,
      mode: this.mode,
      links: this.links,
      uid: this.uid,
      gid: this.gid,
      rdev: this.rdev,
      sizeBytes: (this.mode & TYPE_MASK) === SYMLINK ? this.target.length : this.size,
      blocks: Math.ceil(this.size / 512),
      blockSizeBytes: 4096,
      atime: this.atime,
      mtime: this.mtime,
      ctime: this.ctime,
      btime: this.ctime,
    }
  }

  /** Calls `visit` with each page of the range, where it begins in the file, and what of the page is meant. */
  #eachPage(
    range: { readonly from: number; readonly to: number },
    visit: (page: number, part: { readonly at: number; readonly from: number; readonly to: number }) => void,
  ): void {
    for (let at = range.from; at < range.to;) {
      const page = Math.floor(at / PAGE_BYTES)
      const from = at - page * PAGE_BYTES
      const to = Math.min(PAGE_BYTES, from + range.to - at)
      visit(page, { at, from, to })
      at += to - from
    }
  }
}

export function timeOf(clock: Pick<Clock, 'nowNs'>): FuseTime {
  const ns = clock.nowNs()
  return { seconds: Number(ns / 1_000_000_000n), nanoseconds: Number(ns % 1_000_000_000n) }
}
