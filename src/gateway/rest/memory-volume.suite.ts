import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId, UploadId } from '#foundation/ids.ts'
import { formatPath } from '#foundation/path.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { VolumeInfo } from '#metadata/policy.ts'
import { nodeClock } from '#platform/node-clock.ts'
import type {
  Change,
  Conditions,
  Entry,
  Listing,
  ListOptions,
  OpenFile,
  UploadInfo,
  UploadPart,
  Volume,
  WriteOptions,
  WriteResult,
} from '#volume/volume.ts'
import { MemoryFileLocks } from './memory-file-locks.suite.ts'
import { checkConditions, checkExpected, openNode, type Node } from './memory-nodes.suite.ts'

interface Session {
  readonly info: UploadInfo
  readonly options: Partial<WriteOptions>
  readonly parts: Map<number, { readonly part: UploadPart; readonly bytes: Buffer }>
}

export type Recorder = (change: {
  readonly kind: Change['kind']
  readonly path: Path
  readonly principal: string
  readonly attributes?: Attributes
}) => void

export class MemoryVolume implements Volume {
  info: VolumeInfo
  readonly fileLocks: MemoryFileLocks
  readonly #record: Recorder
  readonly #nodes = new Map<string, Node>()
  readonly #uploads = new Map<string, Session>()
  #nextInode = 2

  constructor(info: VolumeInfo, record: Recorder) {
    this.info = info
    this.#record = record
    this.fileLocks = new MemoryFileLocks((inode) => {
      const found = [...this.#nodes.values()].find(({ attributes }) => attributes.inode === inode)
      if (found === undefined) throw new ShoalError('NOT_FOUND', 'There is no such file')
      return found.attributes
    })
    this.#nodes.set('', this.#newNode('directory'))
  }

  get size(): number {
    return this.#nodes.size - 1
  }

  /** Everything there is, for comparisons before and after. */
  snapshot(): string {
    return JSON.stringify([...this.#nodes].map(([path, node]) => [path, node.attributes.version, node.bytes.toString('hex')]))
  }

  async stat(path: Path): Promise<Attributes | undefined> {
    return this.#nodes.get(formatPath(path))?.attributes
  }

  async list(path: Path, options: ListOptions = {}): Promise<Listing> {
    const directory = this.#need(path)
    if (directory.attributes.type !== 'directory')
      throw new ShoalError('NOT_A_DIRECTORY', `"${formatPath(path)}" is not a directory`)
    const prefix = path.length === 0 ? '' : `${formatPath(path)}/`
    const names = [...this.#nodes.keys()]
      .filter(
        (name) =>
          name !== '' && name.startsWith(prefix) && (options.recursive === true || !name.slice(prefix.length).includes('/')),
      )
      .sort()
    const start = options.cursor === undefined ? 0 : Number(options.cursor)
    const end = start + (options.limit ?? 1000)
    const entries: Entry[] = names
      .slice(start, end)
      .map((name) => ({ path: name.slice(prefix.length).split('/'), attributes: (this.#nodes.get(name) as Node).attributes }))
    return { entries, next: end < names.length ? String(end) : undefined }
  }

  openFile(path: Path, options: { readonly follow?: boolean } = {}): Promise<OpenFile | undefined> {
    try {
      let node = this.#nodes.get(formatPath(path))
      if (node?.target !== undefined && options.follow === true) node = this.#nodes.get(node.target.toString())
      if (node?.attributes.type === 'directory') throw new ShoalError('IS_A_DIRECTORY', `"${formatPath(path)}" is a directory`)
      return Promise.resolve(node === undefined ? undefined : openNode(node, path.at(-1) ?? ''))
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  async locate(path: Path) {
    const node = this.#nodes.get(formatPath(path))
    if (node === undefined) return undefined
    return {
      attributes: node.attributes,
      extents: [
        {
          offset: 0,
          length: node.bytes.length,
          chunk: undefined,
          kind: 'inline' as const,
          nodes: ['memory'],
          copies: [],
          state: 'stored' as const,
        },
      ],
    }
  }

  async writeFile(path: Path, body: AsyncIterable<Uint8Array> | Buffer, options: WriteOptions): Promise<WriteResult> {
    const key = formatPath(path)
    if (this.#nodes.get(key)?.attributes.type === 'directory') throw new ShoalError('IS_A_DIRECTORY', `"${key}" is a directory`)
    if (path.at(-1) === 'full') throw new ShoalError('NO_SPACE', 'No space is left')
    const pieces: Uint8Array[] = []
    for await (const piece of Buffer.isBuffer(body) ? [body] : body) pieces.push(piece)
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
    checkExpected(bytes, options)
    const before = this.#nodes.get(key)
    checkConditions(options.conditions, before?.attributes)
    this.#parents(path, options.createParents === true)
    return this.#put(path, { bytes, before, options })
  }

  async writeAt(path: Path, write: { readonly offset: number; readonly bytes: Uint8Array }): Promise<Attributes> {
    const node = this.#need(path)
    const bytes = Buffer.alloc(Math.max(node.bytes.length, write.offset + write.bytes.length))
    node.bytes.copy(bytes)
    bytes.set(write.bytes, write.offset)
    return this.#touch(node, bytes)
  }

  async truncate(path: Path, sizeBytes: number): Promise<Attributes> {
    const node = this.#need(path)
    const bytes = Buffer.alloc(sizeBytes)
    node.bytes.copy(bytes)
    return this.#touch(node, bytes)
  }

  async punch(path: Path, { offset, length }: { readonly offset: number; readonly length: number }): Promise<Attributes> {
    const node = this.#need(path)
    return this.#touch(node, Buffer.from(node.bytes).fill(0, offset, Math.min(offset + length, node.bytes.length)))
  }

  async copyRange(copy: {
    readonly source: Path
    readonly sourceOffset: number
    readonly target: Path
    readonly targetOffset: number
    readonly length: number
  }): Promise<Attributes> {
    const bytes = this.#need(copy.source).bytes.subarray(copy.sourceOffset, copy.sourceOffset + copy.length)
    return this.writeAt(copy.target, { offset: copy.targetOffset, bytes })
  }

  async makeDirectory(path: Path, options: { readonly parents?: boolean; readonly mode?: number }): Promise<Attributes> {
    const key = formatPath(path)
    const before = this.#nodes.get(key)
    if (before !== undefined) {
      if (options.parents === true && before.attributes.type === 'directory') return before.attributes
      throw new ShoalError('ALREADY_EXISTS', `There is a "${key}" already`)
    }
    this.#parents(path, options.parents === true)
    return this.#add(path, this.#newNode('directory', options.mode === undefined ? {} : { mode: options.mode }))
  }

  async makeSymlink(path: Path, target: Buffer): Promise<Attributes> {
    return this.#add(path, { ...this.#newNode('symlink', { sizeBytes: target.length }), target })
  }

  async makeNode(
    path: Path,
    node: { readonly type: Attributes['type']; readonly mode: number; readonly rdev?: number },
  ): Promise<Attributes> {
    return this.#add(path, this.#newNode(node.type, { mode: node.mode, rdev: node.rdev ?? 0 }))
  }

  async readSymlink(path: Path): Promise<Buffer> {
    return this.#need(path).target ?? Buffer.alloc(0)
  }

  async link(source: Path, target: Path): Promise<Attributes> {
    return this.#add(target, this.#need(source))
  }

  async rename(
    source: Path,
    target: Path,
    options: { readonly mode?: string; readonly createParents?: boolean },
  ): Promise<Attributes> {
    const node = this.#need(source)
    if (options.mode === 'no-replace' && this.#nodes.has(formatPath(target)))
      throw new ShoalError('ALREADY_EXISTS', 'The target exists')
    if (formatPath(target).startsWith(`${formatPath(source)}/`))
      throw new ShoalError('MOVE_INTO_ITSELF', 'The target lies within the source')
    this.#parents(target, options.createParents === true)
    this.#nodes.delete(formatPath(source))
    this.#nodes.set(formatPath(target), node)
    return node.attributes
  }

  async copy(source: Path, target: Path, options: { readonly replace?: boolean }): Promise<Attributes> {
    const node = this.#need(source)
    if (options.replace === false && this.#nodes.has(formatPath(target)))
      throw new ShoalError('ALREADY_EXISTS', 'The target exists')
    const copy = this.#newNode('file', { sizeBytes: node.bytes.length })
    copy.bytes = node.bytes
    this.#nodes.set(formatPath(target), copy)
    return copy.attributes
  }

  async remove(
    path: Path,
    options: { readonly caller: { readonly principal: string }; readonly recursive?: boolean; readonly conditions?: Conditions },
  ): Promise<void> {
    const key = formatPath(path)
    const node = this.#need(path)
    checkConditions(options.conditions, node.attributes)
    const below = [...this.#nodes.keys()].filter((name) => name.startsWith(`${key}/`))
    if (below.length > 0 && options.recursive !== true) throw new ShoalError('DIRECTORY_NOT_EMPTY', `"${key}" is not empty`)
    for (const name of [...below, key]) this.#nodes.delete(name)
    this.#record({ kind: 'remove', path, principal: options.caller.principal })
  }

  async setAttributes(
    path: Path,
    changes: {
      readonly mode?: number
      readonly uid?: number
      readonly gid?: number
      readonly mtimeNs?: bigint
      readonly atimeNs?: bigint
    },
  ): Promise<Attributes> {
    const node = this.#need(path)
    node.attributes = { ...node.attributes, ...changes }
    return node.attributes
  }

  async listXattrs(path: Path): Promise<readonly string[]> {
    return [...this.#need(path).xattrs.keys()]
  }

  async readXattr(path: Path, name: string): Promise<Buffer | undefined> {
    return this.#need(path).xattrs.get(name)
  }

  async writeXattr(path: Path, xattr: { readonly name: string; readonly value: Buffer }): Promise<void> {
    this.#need(path).xattrs.set(xattr.name, xattr.value)
  }

  async removeXattr(path: Path, name: string): Promise<void> {
    this.#need(path).xattrs.delete(name)
  }

  async beginUpload(path: Path, options: Partial<WriteOptions>): Promise<UploadInfo> {
    const id = String(this.#uploads.size + 1).padStart(32, '0') as UploadId
    const info: UploadInfo = { id, path, startedNs: nodeClock.nowNs(), expiresNs: nodeClock.nowNs() + 1000n, parts: [] }
    this.#uploads.set(id, { info, options, parts: new Map() })
    return info
  }

  async findUpload(id: UploadId): Promise<UploadInfo | undefined> {
    const session = this.#uploads.get(id)
    if (session === undefined) return undefined
    return { ...session.info, parts: [...session.parts.values()].map(({ part }) => part).sort((a, b) => a.number - b.number) }
  }

  async listUploads() {
    const uploads = await Promise.all([...this.#uploads.keys()].map((id) => this.findUpload(id as UploadId)))
    return { uploads: uploads.filter((upload) => upload !== undefined), next: undefined }
  }

  async writePart(
    id: UploadId,
    part: { readonly number: number; readonly body: AsyncIterable<Uint8Array>; readonly expected?: WriteOptions['expected'] },
  ): Promise<UploadPart> {
    const session = this.#uploads.get(id)
    if (session === undefined) throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}"`)
    const pieces: Uint8Array[] = []
    for await (const piece of part.body) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    checkExpected(bytes, part.expected === undefined ? {} : { expected: part.expected })
    const stored = { number: part.number, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest() }
    session.parts.set(part.number, { part: stored, bytes })
    return stored
  }

  async commitUpload(
    id: UploadId,
    options: {
      readonly caller: { readonly principal: string }
      readonly expected?: { readonly sizeBytes?: number; readonly sha256?: Buffer }
    },
  ): Promise<WriteResult> {
    const session = this.#uploads.get(id) as Session
    const bytes = Buffer.concat(
      [...session.parts.values()].sort((a, b) => a.part.number - b.part.number).map((part) => part.bytes),
    )
    if (options.expected?.sizeBytes !== undefined && options.expected.sizeBytes !== bytes.length)
      throw new ShoalError('UPLOAD_INCOMPLETE', 'Parts are missing')
    this.#uploads.delete(id)
    return this.#put(session.info.path, {
      bytes,
      before: this.#nodes.get(formatPath(session.info.path)),
      options: { ...session.options, caller: options.caller },
    })
  }

  async abortUpload(id: UploadId): Promise<void> {
    if (!this.#uploads.delete(id)) throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}"`)
  }

  #put(
    path: Path,
    { bytes, before, options }: { readonly bytes: Buffer; readonly before: Node | undefined; readonly options: WriteOptions },
  ): WriteResult {
    const node = before ?? this.#newNode('file')
    node.attributes = {
      ...node.attributes,
      ...options.attributes,
      sizeBytes: bytes.length,
      version: node.attributes.version + 1,
      mtimeNs: options.attributes?.mtimeNs ?? nodeClock.nowNs(),
      sha256: createHash('sha256').update(bytes).digest(),
    }
    node.bytes = bytes
    this.#nodes.set(formatPath(path), node)
    this.#record({
      kind: before === undefined ? 'create' : 'write',
      path,
      principal: options.caller.principal,
      attributes: node.attributes,
    })
    return { attributes: node.attributes, created: before === undefined }
  }

  #touch(node: Node, bytes: Buffer): Attributes {
    node.bytes = bytes
    node.attributes = { ...node.attributes, sizeBytes: bytes.length, version: node.attributes.version + 1, sha256: undefined }
    return node.attributes
  }

  #add(path: Path, node: Node): Attributes {
    const key = formatPath(path)
    if (this.#nodes.has(key)) throw new ShoalError('ALREADY_EXISTS', `There is a "${key}" already`)
    this.#nodes.set(key, node)
    return node.attributes
  }

  #parents(path: Path, create: boolean): void {
    for (let depth = 1; depth < path.length; depth += 1) {
      const key = formatPath(path.slice(0, depth))
      const parent = this.#nodes.get(key)
      if (parent === undefined && !create) throw new ShoalError('NOT_FOUND', `There is no directory "${key}"`)
      if (parent === undefined) this.#nodes.set(key, this.#newNode('directory'))
      else if (parent.attributes.type !== 'directory') throw new ShoalError('NOT_A_DIRECTORY', `"${key}" is not a directory`)
    }
  }

  #need(path: Path): Node {
    const node = this.#nodes.get(formatPath(path))
    if (node === undefined) throw new ShoalError('NOT_FOUND', `There is no "${formatPath(path)}"`)
    return node
  }

  #newNode(type: Attributes['type'], changes: Partial<Attributes> = {}): Node {
    const nowNs = nodeClock.nowNs()
    const times = { atimeNs: nowNs, mtimeNs: nowNs, ctimeNs: nowNs, btimeNs: nowNs }
    const inode = this.#nextInode++ as InodeId
    return {
      attributes: {
        inode,
        type,
        mode: type === 'directory' ? 0o755 : 0o644,
        uid: 0,
        gid: 0,
        links: 1,
        sizeBytes: 0,
        ...times,
        rdev: 0,
        version: 1,
        sha256: undefined,
        ...changes,
      },
      bytes: Buffer.alloc(0),
      xattrs: new Map(),
    }
  }
}
