import { basename, dirname } from 'node:path'
import { MemoryFile, MemoryInode, isFolder } from './memory-file.ts'
import type { MemoryFolder, MemoryNode } from './memory-file.ts'
import type { FileFacts, Files, MediumSpace, OpenFile, OpenMode } from './files.ts'
import { makeFolderThrough, publishThrough } from './publish.ts'
import { SeededRandom } from './seeded-random.ts'
import { systemError } from './system-error.ts'

/** One change of a folder's entries. Both halves of a rename between folders are kept or lost together, as journaling
 *  file systems do. */
interface EntryChange {
  readonly number: number
  readonly folder: MemoryFolder
  readonly name: string
  readonly node: MemoryNode | undefined
  /** The half of a rename that decides about this one. */
  readonly leader: EntryChange | undefined
}

export interface MemoryFilesOptions {
  /** Decides how long calls take and what a power loss leaves. */
  readonly seed?: number
  /** Writes beyond it fail with ENOSPC after as much as fits was written. */
  readonly capacityBytes?: number
  readonly nowMs?: () => number
}

/** A file system in memory that knows what would survive a power loss, and no more than `Files` promises does: contents
 *  reach the medium by `datasync`, names by `syncFolder`. `crash` drops or tears everything else. */
export class MemoryFiles implements Files {
  readonly #root: MemoryFolder = { entries: new Map(), durable: new Map() }
  readonly #random: SeededRandom
  readonly #capacityBytes: number
  readonly #nowMs: () => number
  #pending: EntryChange[] = []
  #changes = 0
  #usedBytes = 0
  #changesLeft = Number.POSITIVE_INFINITY
  #boots = 1

  constructor(options: MemoryFilesOptions = {}) {
    this.#random = new SeededRandom(options.seed ?? 1)
    this.#capacityBytes = options.capacityBytes ?? 2 ** 40
    this.#nowMs = options.nowMs ?? ((): number => 0)
  }

  /** Lets `count` more changes (writes, syncs, renames…) through. Every call after them fails, until `crash`. */
  cutPowerAfter(count: number): void {
    this.#changesLeft = count
  }

  get powerIsCut(): boolean {
    return this.#changesLeft < 0
  }

  /** Power loss and restart: what was not synced is lost, kept or torn at the random's whim; open files are dead. */
  crash(): void {
    this.#changesLeft = Number.POSITIVE_INFINITY
    this.#boots += 1
    this.#loseEntries()
    this.#usedBytes = 0
    this.#eachInode(this.#root, (inode) => {
      inode.crash(this.#random)
      this.#usedBytes += inode.sizeBytes
    })
  }

  /** Another medium that holds what this one would hold after a power loss, without the torn rest. */
  copy(options: MemoryFilesOptions = {}): MemoryFiles {
    const copy = new MemoryFiles(options)
    copyFolder(this.#root, copy.#root)
    copy.#eachInode(copy.#root, (inode) => {
      copy.#usedBytes += inode.sizeBytes
    })
    return copy
  }

  /** Flips bits of a file, behind everyone's back: of its durable contents and of what readers see. */
  damage(path: string, position: number, mask = 0x01): void {
    this.#inode(path).damage(position, mask)
  }

  async open(path: string, how: OpenMode, mode = 0o644): Promise<OpenFile> {
    await this.#step(how === 'create')
    const { folder, name } = this.#place(path)
    const found = folder.entries.get(name)
    if (found !== undefined && isFolder(found)) throw systemError('EISDIR', `open "${path}"`)
    if (how !== 'create') {
      if (found === undefined) throw systemError('ENOENT', `open "${path}"`)
      return new MemoryFile(path, found, this.#medium(how === 'read'))
    }
    if (found !== undefined) throw systemError('EEXIST', `open "${path}"`)
    const inode = new MemoryInode(mode, this.#nowMs())
    this.#change(folder, name, inode)
    return new MemoryFile(path, inode, this.#medium(false))
  }

  async read(path: string): Promise<Buffer | undefined> {
    await this.#step(false)
    const node = this.#find(path)
    if (node === undefined) return undefined
    if (isFolder(node)) throw systemError('EISDIR', `read "${path}"`)
    return Buffer.from(node.view())
  }

  publish(...args: Parameters<Files['publish']>): Promise<void> {
    return publishThrough(this, ...args)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(true)
    const source = this.#place(from)
    const target = this.#place(to)
    const node = source.folder.entries.get(source.name)
    if (node === undefined) throw systemError('ENOENT', `rename "${from}"`)
    const replaced = target.folder.entries.get(target.name)
    if (replaced !== undefined && !isFolder(replaced)) this.#usedBytes -= replaced.sizeBytes
    const leader = this.#change(target.folder, target.name, node)
    this.#change(source.folder, source.name, undefined, leader)
  }

  async remove(path: string): Promise<boolean> {
    await this.#step(true)
    const { folder, name } = this.#place(path)
    const node = folder.entries.get(name)
    if (node === undefined) return false
    if (isFolder(node)) throw systemError('EISDIR', `remove "${path}"`)
    this.#usedBytes -= node.sizeBytes
    this.#change(folder, name, undefined)
    return true
  }

  async list(path: string): Promise<string[] | undefined> {
    await this.#step(false)
    const node = this.#find(path)
    if (node === undefined) return undefined
    if (!isFolder(node)) throw systemError('ENOTDIR', `list "${path}"`)
    return [...node.entries.keys()]
  }

  async facts(path: string): Promise<FileFacts | undefined> {
    await this.#step(false)
    const node = this.#find(path)
    if (node === undefined) return undefined
    return isFolder(node) ? { kind: 'folder', sizeBytes: 0, modifiedMs: 0, mode: 0o755 } : node.facts()
  }

  async setModified(path: string, modifiedMs: number): Promise<void> {
    await this.#step(false)
    this.#inode(path).modifiedMs = modifiedMs
  }

  async createFolder(path: string): Promise<boolean> {
    await this.#step(true)
    const { folder, name } = this.#place(path)
    if (folder.entries.has(name)) return false
    this.#change(folder, name, { entries: new Map(), durable: new Map() })
    return true
  }

  makeFolder(path: string, mode?: number): Promise<void> {
    return makeFolderThrough(this, path, mode)
  }

  async syncFolder(path: string): Promise<void> {
    const folder = this.#find(path)
    if (folder === undefined || !isFolder(folder)) throw systemError('ENOENT', `sync "${path}"`)
    const known = this.#changes
    await this.#step(true)
    const asked = this.#pending.filter((change) => change.number <= known)
    const settled = new Set(asked.filter((change) => change.folder === folder))
    for (const change of asked) {
      if (change.leader !== undefined && (settled.has(change) || settled.has(change.leader)))
        settled.add(change).add(change.leader)
    }
    this.#keep((change) => settled.has(change))
  }

  async space(): Promise<MediumSpace> {
    await this.#step(false)
    return { capacityBytes: this.#capacityBytes, freeBytes: Math.max(0, this.#capacityBytes - this.#usedBytes) }
  }

  #medium(readOnly: boolean): ConstructorParameters<typeof MemoryFile>[2] {
    const boot = this.#boots
    return {
      readOnly,
      step: async (changes) => {
        if (boot !== this.#boots) throw systemError('EIO', 'the machine was restarted meanwhile')
        await this.#step(changes)
        if (boot !== this.#boots) throw systemError('EIO', 'the machine was restarted meanwhile')
      },
      nowMs: this.#nowMs,
      claim: (bytes) => {
        const granted = Math.min(bytes, this.#capacityBytes - this.#usedBytes)
        this.#usedBytes += granted
        return granted
      },
    }
  }

  /** Every call passes here: it takes a moment, and fails once the power is cut. */
  async #step(changes: boolean): Promise<void> {
    const boot = this.#boots
    if (changes) this.#changesLeft -= 1
    for (let turns = this.#random.below(4); turns >= 0; turns -= 1) await Promise.resolve()
    if (this.powerIsCut || boot !== this.#boots) throw systemError('EIO', 'the power is cut')
  }

  #change(folder: MemoryFolder, name: string, node: MemoryNode | undefined, leader?: EntryChange): EntryChange {
    const change = { number: (this.#changes += 1), folder, name, node, leader }
    if (node === undefined) folder.entries.delete(name)
    else folder.entries.set(name, node)
    this.#pending.push(change)
    return change
  }

  /** Makes durable the pending changes that `isKept` chooses, in their order. */
  #keep(isKept: (change: EntryChange) => boolean): void {
    this.#pending = this.#pending.filter((change) => {
      if (!isKept(change)) return true
      if (change.node === undefined) change.folder.durable.delete(change.name)
      else change.folder.durable.set(change.name, change.node)
      return false
    })
  }

  #loseEntries(): void {
    const losing = new Set<MemoryFolder>()
    const kept = new Set<EntryChange>()
    for (const change of this.#pending) {
      if (change.leader === undefined ? this.#random.chance(0.3) : !kept.has(change.leader)) losing.add(change.folder)
      // A folder's changes survive in their order, up to some point.
      if (change.leader === undefined ? !losing.has(change.folder) : kept.has(change.leader)) kept.add(change)
    }
    this.#keep((change) => kept.has(change))
    this.#pending = []
    const restore = (folder: MemoryFolder): void => {
      folder.entries = new Map(folder.durable)
      for (const node of folder.entries.values()) if (isFolder(node)) restore(node)
    }
    restore(this.#root)
  }

  #eachInode(folder: MemoryFolder, visit: (inode: MemoryInode) => void): void {
    for (const node of folder.entries.values()) {
      if (isFolder(node)) this.#eachInode(node, visit)
      else visit(node)
    }
  }

  #inode(path: string): MemoryInode {
    const node = this.#find(path)
    if (node === undefined || isFolder(node)) throw systemError('ENOENT', `"${path}"`)
    return node
  }

  #find(path: string): MemoryNode | undefined {
    let node: MemoryNode = this.#root
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (!isFolder(node)) return undefined
      const next = node.entries.get(name)
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  #place(path: string): { folder: MemoryFolder; name: string } {
    const folder = this.#find(dirname(path))
    if (folder === undefined || !isFolder(folder)) throw systemError('ENOENT', `"${path}"`)
    return { folder, name: basename(path) }
  }
}

function copyFolder(from: MemoryFolder, to: MemoryFolder): void {
  for (const [name, node] of from.durable) {
    let copied: MemoryNode
    if (isFolder(node)) {
      copied = { entries: new Map(), durable: new Map() }
      copyFolder(node, copied)
    } else {
      copied = node.copy()
    }
    to.entries.set(name, copied)
    to.durable.set(name, copied)
  }
}
