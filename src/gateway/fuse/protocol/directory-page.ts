import { encodeName } from '#foundation/name.ts'
import { write64 } from './numbers.ts'
import { type EntryReply, writeEntry } from './replies.ts'

const DIRENT_BYTES = 24
const ENTRY_BYTES = 128

export interface DirectoryEntry {
  readonly name: string
  readonly inode: number
  /** With the type bits of `st_mode`. */
  readonly mode: number
  /** Where a reading goes on that has read this entry; more than 0, and not to be used for another. */
  readonly nextOffset: number
}

/** One answer to READDIR or READDIRPLUS: entries until it is full. */
export class DirectoryPage {
  readonly #bytes: Buffer
  readonly #hasAttributes: boolean
  #length = 0

  constructor({ sizeBytes, hasAttributes }: { readonly sizeBytes: number; readonly hasAttributes: boolean }) {
    this.#bytes = Buffer.allocUnsafe(sizeBytes)
    this.#hasAttributes = hasAttributes
  }

  /** Whether each entry should come with its attributes; those that do, apart from "." and "..", count as looked up. */
  get hasAttributes(): boolean {
    return this.#hasAttributes
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Adds an entry if it fits: with `found` as the kernel knows it from then on, without it by name alone. `found` is called,
   *  so that a look-up is counted, only if there is room and the page has attributes. */
  add(entry: DirectoryEntry, found?: () => EntryReply): boolean {
    const name = encodeName(entry.name)
    const head = this.#hasAttributes ? ENTRY_BYTES : 0
    const length = (head + DIRENT_BYTES + name.length + 7) & ~7
    const at = this.#length
    if (at + length > this.#bytes.length) return false
    if (this.#hasAttributes) {
      // An entry with node 0 is one without attributes.
      if (found === undefined) this.#bytes.fill(0, at, at + ENTRY_BYTES)
      else writeEntry(found(), this.#bytes, at)
    }
    const dirent = at + head
    write64(this.#bytes, entry.inode, dirent)
    write64(this.#bytes, entry.nextOffset, dirent + 8)
    this.#bytes.writeUInt32LE(name.length, dirent + 16)
    this.#bytes.writeUInt32LE((entry.mode >>> 12) & 0xf, dirent + 20)
    this.#bytes.set(name, dirent + DIRENT_BYTES)
    this.#bytes.fill(0, dirent + DIRENT_BYTES + name.length, at + length)
    this.#length += length
    return true
  }
}
