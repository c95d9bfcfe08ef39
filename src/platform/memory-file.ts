import type { FileFacts, OpenFile } from './files.ts'
import type { SeededRandom } from './seeded-random.ts'
import { systemError } from './system-error.ts'

/** What a disk writes in one piece. */
const SECTOR_BYTES = 512

export type MemoryNode = MemoryInode | MemoryFolder

export interface MemoryFolder {
  entries: Map<string, MemoryNode>
  readonly durable: Map<string, MemoryNode>
}

export function isFolder(node: MemoryNode): node is MemoryFolder {
  return 'entries' in node
}

/** A write at `position`, or a truncation to `position`. */
interface Change {
  readonly position: number
  readonly bytes: Buffer | undefined
}

class Contents {
  #bytes = Buffer.alloc(0)
  sizeBytes = 0

  view(): Buffer {
    return this.#bytes.subarray(0, this.sizeBytes)
  }

  apply(change: Change): void {
    if (change.bytes === undefined) return this.resize(change.position)
    this.resize(Math.max(this.sizeBytes, change.position + change.bytes.length))
    change.bytes.copy(this.#bytes, change.position)
  }

  resize(sizeBytes: number): void {
    if (sizeBytes > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(sizeBytes, this.#bytes.length * 2))
      this.view().copy(grown)
      this.#bytes = grown
    }
    if (sizeBytes < this.sizeBytes) this.#bytes.fill(0, sizeBytes, this.sizeBytes)
    this.sizeBytes = sizeBytes
  }
}

/** A file's contents: as readers see them, and as the medium holds them. */
export class MemoryInode {
  readonly mode: number
  modifiedMs: number
  lockedBy: object | undefined
  #current = new Contents()
  readonly #durable = new Contents()
  #pending: Change[] = []
  /** How many changes there have ever been, and how many of them the medium has. */
  #changes = 0
  #settled = 0

  constructor(mode: number, modifiedMs: number) {
    this.mode = mode
    this.modifiedMs = modifiedMs
  }

  get sizeBytes(): number {
    return this.#current.sizeBytes
  }

  get changes(): number {
    return this.#changes
  }

  view(): Buffer {
    return this.#current.view()
  }

  facts(): FileFacts {
    return { kind: 'file', sizeBytes: this.sizeBytes, modifiedMs: this.modifiedMs, mode: this.mode }
  }

  apply(change: Change): void {
    this.#current.apply(change)
    this.#pending.push(change)
    this.#changes += 1
  }

  /** The first `count` changes of all reach the medium. */
  settle(count: number): void {
    if (count <= this.#settled) return
    for (const change of this.#pending.splice(0, count - this.#settled)) this.#durable.apply(change)
    this.#settled = count
  }

  /** Each pending change is lost, kept, or kept in some of its sectors, independently of the others. */
  crash(random: SeededRandom): void {
    for (const change of this.#pending) {
      const fate = random.below(3)
      if (fate === 0) continue
      if (fate === 1 || change.bytes === undefined) this.#durable.apply(change)
      else this.#tear(change.position, change.bytes, random)
    }
    this.#pending = []
    this.lockedBy = undefined
    this.#current = new Contents()
    this.#current.apply({ position: 0, bytes: Buffer.from(this.#durable.view()) })
    this.#settled = this.#changes
  }

  /** Another file with the durable contents of this one. */
  copy(): MemoryInode {
    const copy = new MemoryInode(this.mode, this.modifiedMs)
    for (const contents of [copy.#current, copy.#durable]) contents.apply({ position: 0, bytes: this.#durable.view() })
    return copy
  }

  damage(position: number, mask: number): void {
    for (const contents of [this.#current, this.#durable]) {
      const view = contents.view()
      if (position < view.length) view[position] = (view[position] as number) ^ mask
    }
  }

  #tear(position: number, bytes: Buffer, random: SeededRandom): void {
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + SECTOR_BYTES - ((position + at) % SECTOR_BYTES))
      if (random.chance(0.5)) this.#durable.apply({ position: position + at, bytes: bytes.subarray(at, end) })
      at = end
    }
  }
}

interface Medium {
  readonly readOnly: boolean
  step(changes: boolean): Promise<void>
  nowMs(): number
  /** Takes up to `bytes` more of the medium's room (gives back, if negative), and says how many were to be had. */
  claim(bytes: number): number
}

export class MemoryFile implements OpenFile {
  readonly path: string
  readonly #inode: MemoryInode
  readonly #medium: Medium
  #closed = false

  constructor(path: string, inode: MemoryInode, medium: Medium) {
    this.path = path
    this.#inode = inode
    this.#medium = medium
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    await this.#step(false)
    const part = this.#inode.view().subarray(position, position + target.length)
    target.set(part)
    return part.length
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(pieces)
    await this.#step(true)
    const growth = Math.max(0, position + bytes.length - this.#inode.sizeBytes)
    const missing = growth - this.#medium.claim(growth)
    this.#inode.modifiedMs = this.#medium.nowMs()
    const fitting = bytes.subarray(0, Math.max(0, bytes.length - missing))
    if (fitting.length > 0) this.#inode.apply({ position, bytes: fitting })
    if (missing > 0) throw systemError('ENOSPC', `write "${this.path}"`)
  }

  async writeThrough(pieces: readonly Uint8Array[], position: number): Promise<void> {
    await this.write(pieces, position)
    await this.datasync()
  }

  async datasync(): Promise<void> {
    const known = this.#inode.changes
    await this.#step(true)
    this.#inode.settle(known)
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#step(true)
    this.#medium.claim(sizeBytes - this.#inode.sizeBytes)
    this.#inode.apply({ position: sizeBytes, bytes: undefined })
  }

  async facts(): Promise<FileFacts> {
    await this.#step(false)
    return this.#inode.facts()
  }

  async setModified(modifiedMs: number): Promise<void> {
    await this.#step(false)
    this.#inode.modifiedMs = modifiedMs
  }

  tryLock(): boolean {
    if (this.#inode.lockedBy !== undefined && this.#inode.lockedBy !== this) return false
    this.#inode.lockedBy = this
    return true
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#inode.lockedBy === this) this.#inode.lockedBy = undefined
  }

  async #step(changes: boolean): Promise<void> {
    if (this.#closed) throw systemError('EBADF', `"${this.path}" is closed`)
    if (changes && this.#medium.readOnly) throw systemError('EBADF', `"${this.path}" is open for reading`)
    await this.#medium.step(changes)
  }
}
