// A volume as a tree of plain objects, written to be seen to be right: names are counted by walking, a change that fails
// is undone by going back to a copy, and nothing is shared, cached or paged.

import { encodeName } from '#foundation/name.ts'
import type { Path } from '#foundation/path.ts'
import type { FileType } from '#metadata/attributes.ts'
import {
  checkConditions,
  cloneTree,
  contains,
  contentsOf,
  isDirectory,
  type ModelCopy,
  type ModelEntry,
  ModelError,
  type ModelNode,
  type ModelUpload,
  NOTHING,
  overlay,
  type PutOptions,
  SLASH,
} from './model-node.suite.ts'
import type { AttributeChanges, Conditions, RenameMode } from './volume.ts'

/** The volume removes and copies trees in steps of so many entries. */
const ENTRIES_PER_STEP = 256

export class VolumeModel {
  nowNs = 0n
  quotaBytes = Infinity
  quotaFiles = Infinity
  root: ModelNode
  readonly uploads = new Map<string, ModelUpload>()

  constructor(nowNs: bigint) {
    this.nowNs = nowNs
    this.root = this.#node('directory', { mode: 0o755 })
  }

  /** Does all of `change` or nothing. */
  transact<T>(change: () => T): T {
    const before = cloneTree(this.root)
    const usageBefore = this.usage()
    try {
      const result = change()
      const usage = this.usage()
      if (usage.bytes > usageBefore.bytes && usage.bytes > this.quotaBytes) throw new ModelError('QUOTA_EXCEEDED')
      if (usage.files > usageBefore.files && usage.files > this.quotaFiles) throw new ModelError('QUOTA_EXCEEDED')
      return result
    } catch (error) {
      this.root = before
      throw error
    }
  }

  usage(): { bytes: number; files: number } {
    const nodes = new Set(this.entriesBelow(this.root, true).map(({ node }) => node))
    let bytes = 0
    for (const node of nodes) if (node.type === 'file') bytes += node.bytes.length
    return { bytes, files: nodes.size }
  }

  linksOf(node: ModelNode): number {
    if (isDirectory(node)) return 2 + [...node.entries.values()].filter(isDirectory).length
    return this.entriesBelow(this.root, true).filter((entry) => entry.node === node).length
  }

  /** In the order of the bytes of the paths, in which a directory `a` counts as `a/`. */
  entriesBelow(directory: ModelNode, recursive: boolean): ModelEntry[] {
    const found: ModelEntry[] = []
    const visit = (at: ModelNode, above: Path, keyAbove: Buffer): void => {
      for (const [name, node] of at.entries) {
        const path = [...above, name]
        const key = Buffer.concat([keyAbove, encodeName(name), isDirectory(node) ? SLASH : NOTHING])
        found.push({ path, node, key })
        if (recursive) visit(node, path, key)
      }
    }
    visit(directory, [], NOTHING)
    return found.toSorted((a, b) => Buffer.compare(a.key, b.key))
  }

  find(path: Path, follow = false): ModelNode | undefined {
    const above = [this.root]
    const todo = [...path]
    let links = 0
    for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
      const here = above.at(-1) as ModelNode
      if (name === '..') {
        if (above.length > 1) above.pop()
        continue
      }
      const node = here.entries.get(name)
      if (node === undefined) return undefined
      if (node.type === 'symlink' && follow) {
        links += 1
        if (links > 40) throw new ModelError('TOO_MANY_SYMLINKS')
        const target = node.bytes.toString()
        if (target.startsWith('/')) return undefined
        todo.unshift(...target.split('/').filter((step) => step !== '' && step !== '.'))
        continue
      }
      if (todo.length === 0) return node
      if (!isDirectory(node)) throw new ModelError('NOT_A_DIRECTORY')
      above.push(node)
    }
    return above.at(-1)
  }

  existing(path: Path, follow = false): ModelNode {
    const node = this.find(path, follow)
    if (node === undefined) throw new ModelError('NOT_FOUND')
    return node
  }

  directory(path: Path): ModelNode {
    const node = this.existing(path, true)
    if (!isDirectory(node)) throw new ModelError('NOT_A_DIRECTORY')
    return node
  }

  /** A file to be read or changed. */
  file(path: Path, follow = true): ModelNode {
    const node = this.existing(path, follow)
    if (isDirectory(node)) throw new ModelError('IS_A_DIRECTORY')
    if (node.type !== 'file') throw new ModelError('NOT_PERMITTED')
    return node
  }

  put(path: Path, bytes: Buffer, options: PutOptions): { node: ModelNode; created: boolean } {
    if (path.length === 0) throw new ModelError('IS_A_DIRECTORY')
    const { parent, name } = this.#parent(path, options.createParents === true)
    const existing = parent.entries.get(name)
    const target = existing?.type === 'symlink' ? this.existing(path, true) : existing
    if (isDirectory(target)) throw new ModelError('IS_A_DIRECTORY')
    if (target !== undefined && target.type !== 'file') throw new ModelError('NOT_PERMITTED')
    checkConditions(options.conditions, target)
    if (target !== undefined) {
      this.#change(target, bytes)
      Object.assign(target, options.attributes)
      return { node: target, created: false }
    }
    const node = this.#node('file', { mode: 0o644, bytes, ...options.attributes })
    this.#add(parent, name, node)
    return { node, created: true }
  }

  writeAt(path: Path, offset: number, bytes: Buffer): ModelNode {
    const node = this.file(path)
    if (bytes.length > 0) this.#change(node, overlay(node.bytes, offset, bytes))
    return node
  }

  truncate(path: Path, sizeBytes: number): ModelNode {
    const node = this.file(path)
    const bytes = Buffer.alloc(sizeBytes)
    node.bytes.copy(bytes)
    this.#change(node, bytes)
    return node
  }

  punch(path: Path, { offset, length }: { offset: number; length: number }): ModelNode {
    const node = this.file(path)
    const end = Math.min(offset + length, node.bytes.length)
    if (end > offset) this.#change(node, Buffer.from(node.bytes).fill(0, offset, end))
    else Object.assign(node, { mtimeNs: this.nowNs, ctimeNs: this.nowNs })
    return node
  }

  copyRange(source: Path, target: Path, range: { sourceOffset: number; targetOffset: number; length: number }): ModelNode {
    this.existing(source, true)
    const to = this.file(target)
    const bytes = this.file(source).bytes.subarray(range.sourceOffset, range.sourceOffset + range.length)
    if (bytes.length > 0) this.#change(to, overlay(to.bytes, range.targetOffset, bytes))
    return to
  }

  makeDirectory(path: Path, { parents, mode }: { parents: boolean; mode: number }): ModelNode {
    if (path.length === 0 && parents) return this.root
    if (path.length === 0) throw new ModelError('ALREADY_EXISTS')
    const { parent, name } = this.#parent(path, parents)
    const existing = parent.entries.get(name)
    if (parents && isDirectory(existing)) return existing
    return this.#create(parent, name, this.#node('directory', { mode }))
  }

  make(path: Path, type: FileType, fields: Partial<ModelNode>, createParents = false): ModelNode {
    const { parent, name } = this.#parent(path, createParents)
    return this.#create(parent, name, this.#node(type, fields))
  }

  link(source: Path, target: Path): ModelNode {
    const node = this.existing(source)
    const { parent, name } = this.#parent(target, false)
    if (isDirectory(node)) throw new ModelError('NOT_PERMITTED')
    this.#create(parent, name, node)
    node.ctimeNs = this.nowNs
    return node
  }

  rename(source: Path, target: Path, { mode, createParents }: { mode: RenameMode; createParents: boolean }): void {
    const from = this.#parent(source, false)
    const moving = this.existing(source)
    const to = this.#parent(target, createParents)
    const there = to.parent.entries.get(to.name)
    if (mode === 'no-replace' && there !== undefined) throw new ModelError('ALREADY_EXISTS')
    if (mode === 'exchange' && there === undefined) throw new ModelError('NOT_FOUND')
    if (there === moving) return
    if (contains(moving, to.parent)) throw new ModelError('MOVE_INTO_ITSELF')
    if (mode === 'exchange' && there !== undefined) {
      if (contains(there, from.parent)) throw new ModelError('MOVE_INTO_ITSELF')
      from.parent.entries.delete(from.name)
      to.parent.entries.delete(to.name)
      this.#add(from.parent, from.name, there)
      there.ctimeNs = this.nowNs
    } else {
      if (there !== undefined) this.#replace(moving, there, to)
      this.#drop(from.parent, from.name)
    }
    this.#add(to.parent, to.name, moving)
    moving.ctimeNs = this.nowNs
  }

  #replace(moving: ModelNode, there: ModelNode, to: { parent: ModelNode; name: string }): void {
    if (isDirectory(there) && !isDirectory(moving)) throw new ModelError('IS_A_DIRECTORY')
    if (!isDirectory(there) && isDirectory(moving)) throw new ModelError('NOT_A_DIRECTORY')
    if (there.entries.size > 0) throw new ModelError('DIRECTORY_NOT_EMPTY')
    this.#drop(to.parent, to.name)
  }

  remove(path: Path, { recursive, conditions }: { recursive: boolean; conditions: Conditions | undefined }): void {
    if (recursive) {
      const node = this.existing(path)
      checkConditions(conditions, node)
      for (const { path: below } of this.entriesBelow(node, true).toReversed()) this.#dropPath([...path, ...below])
      if (path.length === 0) return
    }
    const { parent, name } = this.#parent(path, false)
    const node = this.existing(path)
    checkConditions(conditions, node)
    if (node.entries.size > 0) throw new ModelError('DIRECTORY_NOT_EMPTY')
    this.#drop(parent, name)
  }

  #dropPath(path: Path): void {
    const { parent, name } = this.#parent(path, false)
    this.#drop(parent, name)
  }

  setAttributes(path: Path, changes: AttributeChanges): ModelNode {
    return Object.assign(this.existing(path), { ...changes, ctimeNs: this.nowNs })
  }

  writeXattr(path: Path, name: string, write: { value: Buffer; mode: 'create' | 'replace' | undefined }): void {
    const node = this.existing(path)
    if (write.mode === 'create' && node.xattrs.has(name)) throw new ModelError('ALREADY_EXISTS')
    if (write.mode === 'replace' && !node.xattrs.has(name)) throw new ModelError('XATTR_NOT_FOUND')
    node.xattrs.set(name, write.value)
    node.ctimeNs = this.nowNs
  }

  removeXattr(path: Path, name: string): void {
    const node = this.existing(path)
    if (!node.xattrs.delete(name)) throw new ModelError('XATTR_NOT_FOUND')
    node.ctimeNs = this.nowNs
  }

  /** Not one step: what was copied before a failure stays. */
  copy(source: Path, target: Path, options: ModelCopy): ModelNode {
    this.transact(() => this.#copyEntry(source, target, options))
    if (isDirectory(this.existing(source))) {
      const below = this.entriesBelow(this.existing(source), true).map(({ path }) => path)
      for (let at = 0; at < below.length; at += ENTRIES_PER_STEP) {
        this.transact(() => {
          for (const path of below.slice(at, at + ENTRIES_PER_STEP))
            this.#copyEntry([...source, ...path], [...target, ...path], { ...options, createParents: true })
        })
      }
    }
    return this.existing(target)
  }

  #copyEntry(source: Path, target: Path, options: ModelCopy): void {
    const from = this.existing(source)
    if (isDirectory(from)) return this.#copyDirectory(from, { source, target }, options)
    const { parent, name } = this.#parent(target, options.createParents)
    const there = parent.entries.get(name)
    if (there === from) return
    if (isDirectory(there)) throw new ModelError(from.type === 'file' ? 'IS_A_DIRECTORY' : 'ALREADY_EXISTS')
    if (there !== undefined && !options.replace) throw new ModelError('ALREADY_EXISTS')
    const { mode, uid, gid, mtimeNs, rdev, bytes } = from
    if (from.type === 'file' && there?.type === 'file') {
      this.#change(there, bytes)
      Object.assign(there, { mode, uid, gid, mtimeNs })
      for (const [key, value] of from.xattrs) there.xattrs.set(key, value)
      return
    }
    if (there !== undefined) this.#drop(parent, name)
    const xattrs = new Map<string, Buffer>(from.xattrs)
    this.#create(parent, name, this.#node(from.type, { mode, uid, gid, mtimeNs, rdev, bytes, xattrs }))
  }

  #copyDirectory(from: ModelNode, { source, target }: { source: Path; target: Path }, options: ModelCopy): void {
    if (!options.recursive) throw new ModelError('IS_A_DIRECTORY')
    if (source.every((name, at) => target[at] === name)) throw new ModelError('MOVE_INTO_ITSELF')
    if (target.length === 0) return
    const { parent, name } = this.#parent(target, options.createParents)
    const there = parent.entries.get(name)
    if (isDirectory(there)) return
    if (there !== undefined) throw new ModelError('NOT_A_DIRECTORY')
    const { mode, uid, gid, mtimeNs } = from
    this.#create(parent, name, this.#node('directory', { mode, uid, gid, mtimeNs, xattrs: new Map(from.xattrs) }))
  }

  upload(id: string): ModelUpload {
    const upload = this.uploads.get(id)
    if (upload === undefined) throw new ModelError('UPLOAD_NOT_FOUND')
    return upload
  }

  commit(id: string): { node: ModelNode; created: boolean } {
    const upload = this.upload(id)
    return this.put(upload.path, contentsOf(upload), upload)
  }

  #parent(path: Path, create: boolean): { parent: ModelNode; name: string } {
    const name = path.at(-1)
    if (name === undefined) throw new ModelError('NOT_PERMITTED')
    if (!create) {
      const parent = this.existing(path.slice(0, -1))
      if (!isDirectory(parent)) throw new ModelError('NOT_A_DIRECTORY')
      return { parent, name }
    }
    let parent = this.root
    for (const step of path.slice(0, -1)) {
      const next = parent.entries.get(step) ?? this.#create(parent, step, this.#node('directory', { mode: 0o755 }))
      if (!isDirectory(next)) throw new ModelError('NOT_A_DIRECTORY')
      parent = next
    }
    return { parent, name }
  }

  #node(type: FileType, fields: Partial<ModelNode>): ModelNode {
    const { nowNs } = this
    const times = { atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs, btimeNs: nowNs }
    const empty = { bytes: NOTHING, xattrs: new Map(), entries: new Map() }
    return { inode: undefined, type, mode: 0, uid: 0, gid: 0, rdev: 0, version: 1, ...times, ...empty, ...fields }
  }

  #create(parent: ModelNode, name: string, node: ModelNode): ModelNode {
    if (parent.entries.has(name)) throw new ModelError('ALREADY_EXISTS')
    this.#add(parent, name, node)
    return node
  }

  #add(parent: ModelNode, name: string, node: ModelNode): void {
    parent.entries.set(name, node)
    parent.mtimeNs = this.nowNs
    parent.ctimeNs = this.nowNs
  }

  #drop(parent: ModelNode, name: string): void {
    const node = parent.entries.get(name) as ModelNode
    parent.entries.delete(name)
    parent.mtimeNs = this.nowNs
    parent.ctimeNs = this.nowNs
    // Seen only where it has other names.
    node.ctimeNs = this.nowNs
  }

  #change(node: ModelNode, bytes: Buffer): void {
    Object.assign(node, { bytes, version: node.version + 1, mtimeNs: this.nowNs, ctimeNs: this.nowNs })
  }
}
