// A file system in memory, to prove sessions with. Only tests and benchmarks import it.
import type { Clock } from '#platform/clock.ts'
import { DIRECTORY, MemoryNode, REGULAR, SYMLINK, timeOf, TYPE_MASK } from './memory-node.suite.ts'
import { type FuseError, refusal } from './protocol/errno.ts'
import { OPEN_FLAGS } from './protocol/opcodes.ts'
import type { Caller, FuseOperations } from './protocol/operations.ts'
import type { AttributesReply, CreateReply, EntryReply, OpenReply } from './protocol/replies.ts'
import type * as requests from './protocol/requests.ts'

const SET_IDS = 0o6000
const SETGID = 0o2000
const O_TRUNC = 0o1000
const NO_REPLACE = 1
const EXCHANGE = 2
const KEEP_SIZE = 1
const PUNCH = 2
const ZERO = 16
const SEEK_DATA = 3

export class MemoryOperations implements FuseOperations {
  readonly nodes = new Map<number, MemoryNode>()
  /** How many handles are open. */
  openHandles = 0
  /** Answers the attribute "user.slow" instead, for tests of slow answers. */
  slowXattr: ((caller: Caller) => Promise<Buffer | FuseError>) | undefined
  readonly #clock: Pick<Clock, 'nowNs'>
  readonly #validMs: number
  readonly #flocks = new Map<MemoryNode, bigint>()
  #lastId = 1

  /** `validMs`: how long the kernel may remember what it is told. */
  constructor(clock: Pick<Clock, 'nowNs'>, { validMs = 1000 }: { readonly validMs?: number } = {}) {
    this.#validMs = validMs
    this.#clock = clock
    const root = new MemoryNode({ id: 1, mode: DIRECTORY | 0o755, uid: 0, gid: 0, at: timeOf(clock) })
    root.lookups = 1
    this.nodes.set(1, root)
  }

  readonly forget = (forgotten: readonly requests.ForgetRequest[]): void => {
    for (const { nodeId, lookups } of forgotten) {
      const node = this.#node(nodeId)
      node.lookups -= lookups
      if (node.lookups < 0) throw new Error(`Node ${nodeId} was forgotten more often than looked up`)
      this.#drop(node)
    }
  }

  readonly lookup = ({ name }: requests.NamedRequest, { nodeId }: Caller) => {
    const found = this.#node(nodeId).entries.get(name)
    return found === undefined ? { absentMs: this.#validMs } : this.#found(found)
  }

  readonly getattr = (_: unknown, { nodeId }: Caller): AttributesReply => this.#attributes(this.#node(nodeId))
  readonly statx = this.getattr

  readonly setattr = (request: requests.SetattrRequest, { nodeId }: Caller): AttributesReply => {
    const node = this.#node(nodeId)
    const now = timeOf(this.#clock)
    const time = (asked: requests.FuseTime | 'now') => (asked === 'now' ? now : asked)
    if (request.mode !== undefined) node.mode = (node.mode & TYPE_MASK) | (request.mode & ~TYPE_MASK)
    if (request.killPrivileges) node.mode &= ~SET_IDS
    node.uid = request.uid ?? node.uid
    node.gid = request.gid ?? node.gid
    if (request.sizeBytes !== undefined) {
      node.resize(request.sizeBytes)
      node.mtime = now
    }
    if (request.atime !== undefined) node.atime = time(request.atime)
    if (request.mtime !== undefined) node.mtime = time(request.mtime)
    node.ctime = now
    return this.#attributes(node)
  }

  readonly statfs = () => ({
    blockSizeBytes: 4096,
    blocks: 1_000_000,
    freeBlocks: 900_000,
    availableBlocks: 900_000,
    files: 1_000_000,
    freeFiles: 1_000_000 - this.nodes.size,
    nameBytesMax: 255,
  })

  readonly readlink = (_: void, { nodeId }: Caller) => this.#node(nodeId).target

  readonly symlink = ({ name, target }: requests.SymlinkRequest, caller: Caller) => {
    const made = this.#make(name, SYMLINK | 0o777, caller)
    if (made instanceof MemoryNode) made.target = target
    return this.#found(made)
  }

  readonly mknod = ({ name, mode, rdev }: requests.MknodRequest, caller: Caller) => {
    const made = this.#make(name, mode, caller)
    if (made instanceof MemoryNode) made.rdev = rdev
    return this.#found(made)
  }

  readonly mkdir = ({ name, mode }: requests.MkdirRequest, caller: Caller) =>
    this.#found(this.#make(name, DIRECTORY | mode, caller))

  readonly unlink = ({ name }: requests.NamedRequest, { nodeId }: Caller) => this.#remove(this.#node(nodeId), name)
  readonly rmdir = this.unlink

  readonly rename = ({ name, newName, newParentId, flags }: requests.RenameRequest, { nodeId }: Caller) => {
    const [from, to] = [this.#node(nodeId), this.#node(newParentId)]
    const [moved, there] = [from.entries.get(name), to.entries.get(newName)]
    if (moved === undefined) return refusal('ENOENT')
    if (flags === NO_REPLACE && there !== undefined) return refusal('EEXIST')
    if (flags === EXCHANGE) {
      if (there === undefined) return refusal('ENOENT')
      this.#attach({ parent: from, name, node: there, replacing: moved })
      this.#attach({ parent: to, name: newName, node: moved, replacing: there })
      return undefined
    }
    if (there === moved) return undefined
    if (there !== undefined) {
      const failed = this.#remove(to, newName)
      if (failed !== undefined) return failed
    }
    from.entries.delete(name)
    if (moved.isDirectory) from.links -= 1
    this.#attach({ parent: to, name: newName, node: moved, replacing: undefined })
    return undefined
  }

  readonly link = ({ name, oldNodeId }: requests.LinkRequest, { nodeId }: Caller) => {
    const parent = this.#node(nodeId)
    if (parent.entries.has(name)) return refusal('EEXIST')
    const node = this.#node(oldNodeId)
    node.links += 1
    node.ctime = timeOf(this.#clock)
    this.#attach({ parent, name, node, replacing: undefined })
    return this.#found(node)
  }

  readonly readdir = (request: Parameters<NonNullable<FuseOperations['readdir']>>[0], { nodeId }: Caller) => {
    const directory = this.#node(nodeId)
    const entries: [string, MemoryNode][] = [['.', directory], ['..', directory], ...directory.entries]
    for (let at = request.offset; at < entries.length; at += 1) {
      const [name, node] = entries[at] as [string, MemoryNode]
      const entry = { name, inode: node.id, mode: node.mode, nextOffset: at + 1 }
      if (!request.page.add(entry, at < 2 ? undefined : () => this.#found(node) as EntryReply)) break
    }
  }

  readonly open = ({ flags, killPrivileges }: requests.OpenRequest, { nodeId }: Caller): OpenReply => {
    const node = this.#node(nodeId)
    if ((flags & O_TRUNC) !== 0) this.#changed(node, () => node.resize(0))
    if (killPrivileges) node.mode &= ~SET_IDS
    return this.#opened(node)
  }

  readonly create = (request: requests.CreateRequest, caller: Caller): CreateReply | FuseError => {
    const found = this.#found(this.#make(request.name, request.mode, caller))
    return 'errno' in found ? found : { ...found, ...this.#opened(this.#node(found.nodeId)) }
  }

  readonly release = ({ unlockFlock, lockOwner }: requests.ReleaseRequest, { nodeId }: Caller) => {
    const node = this.#node(nodeId)
    if (unlockFlock && this.#flocks.get(node) === lockOwner) this.#flocks.delete(node)
    node.opens -= 1
    this.openHandles -= 1
    this.#drop(node)
  }

  /** What the kernel asked for, one by one. */
  readonly lengthsRead: number[] = []
  readonly read = ({ offset, sizeBytes }: requests.ReadRequest, { nodeId }: Caller) => {
    this.lengthsRead.push(sizeBytes)
    return this.#node(nodeId).read(offset, sizeBytes)
  }

  readonly write = ({ offset, data, killPrivileges }: requests.WriteRequest, { nodeId }: Caller) => {
    const node = this.#node(nodeId)
    this.#changed(node, () => node.write(offset, data))
    if (killPrivileges) node.mode &= ~SET_IDS
    return data.length
  }

  readonly flush = () => undefined
  readonly fsync = () => undefined
  readonly fsyncdir = () => undefined

  readonly fallocate = ({ offset, lengthBytes, mode }: requests.FallocateRequest, { nodeId }: Caller) => {
    const node = this.#node(nodeId)
    if ((mode & ~(KEEP_SIZE | PUNCH | ZERO)) !== 0) return refusal('EOPNOTSUPP')
    const end = offset + lengthBytes
    this.#changed(node, () => {
      if ((mode & KEEP_SIZE) === 0 && end > node.size) node.resize(end)
      if ((mode & (PUNCH | ZERO)) !== 0) node.fill(offset, end)
    })
    return undefined
  }

  readonly lseek = ({ offset, whence }: requests.LseekRequest, { nodeId }: Caller) => {
    const { size } = this.#node(nodeId)
    if (offset >= size) return refusal('ENXIO')
    return whence === SEEK_DATA ? offset : size
  }

  readonly copyFileRange = (request: requests.CopyFileRangeRequest, { nodeId }: Caller) => {
    const target = this.#node(request.targetNodeId)
    const bytes = Buffer.from(this.#node(nodeId).read(request.offset, request.lengthBytes))
    this.#changed(target, () => target.write(request.targetOffset, bytes))
    return bytes.length
  }

  readonly setxattr = ({ name, value, flags }: requests.SetxattrRequest, { nodeId }: Caller) => {
    const { xattrs } = this.#node(nodeId)
    if (flags === 1 && xattrs.has(name)) return refusal('EEXIST')
    if (flags === 2 && !xattrs.has(name)) return refusal('ENODATA')
    xattrs.set(name, value)
    return undefined
  }

  readonly getxattr = ({ name }: requests.GetxattrRequest, caller: Caller) => {
    if (name === 'user.slow' && this.slowXattr !== undefined) return this.slowXattr(caller)
    return this.#node(caller.nodeId).xattrs.get(name) ?? refusal('ENODATA')
  }

  readonly listxattr = (_: unknown, { nodeId }: Caller) =>
    Buffer.from([...this.#node(nodeId).xattrs.keys()].map((name) => `${name}\0`).join(''))

  readonly removexattr = ({ name }: requests.NamedRequest, { nodeId }: Caller) =>
    this.#node(nodeId).xattrs.delete(name) ? undefined : refusal('ENODATA')

  /** Exclusive locks of flock(2) only. */
  readonly setlk = ({ owner, kind }: requests.LockRequest, { nodeId }: Caller) => {
    const node = this.#node(nodeId)
    const holder = this.#flocks.get(node)
    if (kind === 'unlock') {
      if (holder === owner) this.#flocks.delete(node)
    } else if (holder !== undefined && holder !== owner) return refusal('EAGAIN')
    else this.#flocks.set(node, owner)
    return undefined
  }

  readonly setlkw = async (request: requests.LockRequest, caller: Caller) => {
    const { nodeId, signal } = caller
    for (;;) {
      if (this.setlk(request, { nodeId } as Caller) === undefined) return undefined
      if (signal.aborted) return refusal('EINTR')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  #node(nodeId: number): MemoryNode {
    const node = this.nodes.get(nodeId)
    if (node === undefined) throw refusal('ESTALE')
    return node
  }

  #found(node: MemoryNode | FuseError): EntryReply | FuseError {
    if (!(node instanceof MemoryNode)) return node
    node.lookups += 1
    const validity = { entryMs: this.#validMs, attributesMs: this.#validMs }
    return { nodeId: node.id, generation: 0, attributes: node.attributes(), validity }
  }

  #attributes(node: MemoryNode): AttributesReply {
    return { attributes: node.attributes(), validMs: this.#validMs }
  }

  #opened(node: MemoryNode): OpenReply {
    node.opens += 1
    this.openHandles += 1
    return { handle: node.id, flags: OPEN_FLAGS.KEEP_CACHE }
  }

  #make(name: string, mode: number, { nodeId, uid, gid }: Caller): MemoryNode | FuseError {
    const parent = this.#node(nodeId)
    if (parent.entries.has(name)) return refusal('EEXIST')
    const inherits = (parent.mode & SETGID) !== 0
    const isDirectory = (mode & TYPE_MASK) === DIRECTORY
    this.#lastId += 1
    const node = new MemoryNode({
      id: this.#lastId,
      mode: ((mode & TYPE_MASK) === 0 ? mode | REGULAR : mode) | (inherits && isDirectory ? SETGID : 0),
      uid,
      gid: inherits ? parent.gid : gid,
      at: timeOf(this.#clock),
    })
    this.nodes.set(node.id, node)
    this.#attach({ parent, name, node, replacing: undefined })
    return node
  }

  #attach(entry: {
    readonly parent: MemoryNode
    readonly name: string
    readonly node: MemoryNode
    readonly replacing: MemoryNode | undefined
  }): void {
    const { parent, name, node, replacing } = entry
    parent.entries.set(name, node)
    parent.links += (node.isDirectory ? 1 : 0) - (replacing?.isDirectory === true ? 1 : 0)
    parent.mtime = parent.ctime = timeOf(this.#clock)
  }

  #remove(parent: MemoryNode, name: string): FuseError | undefined {
    const node = parent.entries.get(name)
    if (node === undefined) return refusal('ENOENT')
    if (node.entries.size > 0) return refusal('ENOTEMPTY')
    parent.entries.delete(name)
    if (node.isDirectory) parent.links -= 1
    node.links -= node.isDirectory ? 2 : 1
    parent.mtime = parent.ctime = node.ctime = timeOf(this.#clock)
    this.#drop(node)
    return undefined
  }

  #changed(node: MemoryNode, change: () => void): void {
    change()
    node.mtime = node.ctime = timeOf(this.#clock)
  }

  #drop(node: MemoryNode): void {
    if (node.links === 0 && node.lookups === 0 && node.opens === 0) this.nodes.delete(node.id)
  }
}
