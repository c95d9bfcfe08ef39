import type { InodeId } from '#foundation/ids.ts'
import { type Attributes, FILE_TYPES, type FileType } from '#metadata/attributes.ts'

/** Room is made for so many at a time. */
const PAGE_SLOTS = 2_048
const FLOATS = 3
const TIMES = 4
const WORDS = 6
/** What `hasXattrs` says. */
const XATTRS = [undefined, false, true] as const
const MODE_BITS = 12
const TYPE_BITS = 3

interface Page {
  /** Inode, length, version. */
  readonly floats: Float64Array
  /** Accessed, modified, changed, made. */
  readonly times: BigInt64Array
  /** Mode, type and `hasXattrs` in one; owner, group, links, device, and the caller's note. */
  readonly words: Uint32Array
}

/** Attributes in 80 bytes each (of a file that occupies more or less than its length a little more), by numbers of slots from 0 on: as objects they take 400, and each is one more for every collection
 *  of garbage to look at. Digests are left out. Pure. */
export class PackedAttributes {
  readonly #pages: Page[] = []
  readonly #free: number[] = []
  readonly #occupied = new Map<number, number>()
  #slots = 0

  /** Gives the slot. `note` is a number of 32 bits. */
  add(attributes: Attributes, note: number): number {
    const slot = this.#free.pop() ?? this.#slots
    if (slot === this.#slots) this.#slots += 1
    this.#write(slot, attributes, note)
    return slot
  }

  free(slot: number): void {
    this.#occupied.delete(slot)
    this.#free.push(slot)
  }

  clear(): void {
    this.#pages.length = 0
    this.#free.length = 0
    this.#occupied.clear()
    this.#slots = 0
  }

  note(slot: number): number {
    const { words } = this.#page(slot)
    return words[(slot % PAGE_SLOTS) * WORDS + 5] as number
  }

  inode(slot: number): InodeId {
    return this.#page(slot).floats[(slot % PAGE_SLOTS) * FLOATS] as InodeId
  }

  get(slot: number): Attributes {
    const { floats, times, words } = this.#page(slot)
    const at = slot % PAGE_SLOTS
    const [f, t, w] = [at * FLOATS, at * TIMES, at * WORDS]
    const kind = words[w] as number
    const occupiedBytes = this.#occupied.get(slot)
    const hasXattrs = XATTRS[kind >>> (MODE_BITS + TYPE_BITS)]
    return {
      inode: floats[f] as InodeId,
      type: FILE_TYPES[(kind >>> MODE_BITS) & 7] as FileType,
      mode: kind & 0o7777,
      uid: words[w + 1] as number,
      gid: words[w + 2] as number,
      links: words[w + 3] as number,
      sizeBytes: floats[f + 1] as number,
      atimeNs: times[t] as bigint,
      mtimeNs: times[t + 1] as bigint,
      ctimeNs: times[t + 2] as bigint,
      btimeNs: times[t + 3] as bigint,
      rdev: words[w + 4] as number,
      version: floats[f + 2] as number,
      sha256: undefined,
      ...(hasXattrs === undefined ? {} : { hasXattrs }),
      ...(occupiedBytes === undefined ? {} : { occupiedBytes }),
    }
  }

  #write(slot: number, attributes: Attributes, note: number): void {
    while (slot >= this.#pages.length * PAGE_SLOTS) this.#pages.push(newPage())
    const { floats, times, words } = this.#page(slot)
    const at = slot % PAGE_SLOTS
    const [f, t, w] = [at * FLOATS, at * TIMES, at * WORDS]
    floats[f] = attributes.inode
    floats[f + 1] = attributes.sizeBytes
    floats[f + 2] = attributes.version
    times[t] = attributes.atimeNs
    times[t + 1] = attributes.mtimeNs
    times[t + 2] = attributes.ctimeNs
    times[t + 3] = attributes.btimeNs
    if (attributes.occupiedBytes !== undefined) this.#occupied.set(slot, attributes.occupiedBytes)
    const xattrs = XATTRS.indexOf(attributes.hasXattrs)
    words[w] = attributes.mode | (FILE_TYPES.indexOf(attributes.type) << MODE_BITS) | (xattrs << (MODE_BITS + TYPE_BITS))
    words[w + 1] = attributes.uid
    words[w + 2] = attributes.gid
    words[w + 3] = attributes.links
    words[w + 4] = attributes.rdev
    words[w + 5] = note
  }

  #page(slot: number): Page {
    return this.#pages[Math.floor(slot / PAGE_SLOTS)] as Page
  }
}

function newPage(): Page {
  return {
    floats: new Float64Array(PAGE_SLOTS * FLOATS),
    times: new BigInt64Array(PAGE_SLOTS * TIMES),
    words: new Uint32Array(PAGE_SLOTS * WORDS),
  }
}
