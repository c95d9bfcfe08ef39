import { isShoalError } from '#foundation/errors.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { flushNow, latestNow, storeNow } from './at-once.ts'
import { endToAppend, knownEnd } from './file-ends.ts'
import { modeOf } from './fuse-attributes.ts'
import { type MountedNode, ROOT_NODE } from './inode-table.ts'
import { checkLength } from './hidden-paths.ts'
import type { MountedVolume } from './mounted-volume.ts'
import type { LocalFile } from './own-volume.ts'
import { killPrivilegesFor, killPrivilegesOf, ownerIn, privilegesIn } from './name-operations.ts'
import { type FuseError, refusal } from './protocol/errno.ts'
import { OPEN_FLAGS } from './protocol/opcodes.ts'
import type { Caller, FuseOperations } from './protocol/operations.ts'
import type { EntryReply, OpenReply } from './protocol/replies.ts'
import type { CreateRequest, OpenRequest, ReadRequest } from './protocol/requests.ts'
import { modeIn, modeNow } from './xattr-operations.ts'

const O_ACCMODE = 0o3
const O_RDONLY = 0
const O_EXCL = 0o200
const O_TRUNC = 0o1000
const PERMISSIONS = 0o7777
/** To copy what is written costs more than to store it by itself. */
const LONG_BYTES = 128 * 1024

/** What is odd in handles that can't write: closing one of their descriptors stores nothing that others have written. */
const READS = 1

/** How often a read looks for what a file is now. Programs don't expect EAGAIN of a file, and each try is another request. */
const READ_TRIES = 16

type FileOperations = Pick<
  FuseOperations,
  'open' | 'create' | 'tmpfile' | 'read' | 'write' | 'flush' | 'fsync' | 'release' | 'copyFileRange'
>

/** Contents over a volume. What is written is collected, and stored when it is flushed, synced or closed, or grows too much:
 *  `close` answers when the volume has it. */
export function fileOperations(mounted: MountedVolume): Required<FileOperations> {
  const { volume, caller: by, table } = mounted
  let opens = 0
  const opened = (node: MountedNode, attributes: Attributes, reader?: LocalFile): OpenReply => {
    const passed = mounted.passed.of(node)
    // The kernel reads all of its handles by itself, or none.
    if (passed !== undefined && (reader === undefined || passed.version !== attributes.version)) throw mounted.part(node)
    const canPass = reader !== undefined && node.opens === 0
    const backingId = passed?.id ?? (canPass ? mounted.passed.open(node, reader) : undefined)
    node.opens += 1
    opens += 1
    const handle = reader === undefined ? 2 * opens : 2 * opens + READS
    const isKept = node.keptVersion === attributes.version
    // From here on: what the kernel has of another version it drops when it hears of this one.
    node.keptVersion = attributes.version
    if (backingId === undefined) return { handle, flags: isKept ? OPEN_FLAGS.KEEP_CACHE : 0 }
    // The kernel refuses any other flag with it.
    return { handle, flags: OPEN_FLAGS.PASSTHROUGH, backingId }
  }
  const emptied = async (node: MountedNode): Promise<Attributes> => {
    await mounted.flush(node)
    const attributes = await volume.truncate(table.path(node), 0, by)
    mounted.cut(node, attributes)
    return attributes
  }
  const collected = (node: MountedNode, offset: number, bytes: Buffer): number => {
    const contents = mounted.contents(node)
    contents.written.write(offset, bytes)
    contents.writtenNs = mounted.clock.nowNs()
    contents.parts.wrote(offset, bytes.length)
    mounted.passed.wrote(node.inode, offset, bytes)
    return bytes.length
  }
  const create = async (
    { name, flags, ...asked }: CreateRequest,
    caller: Caller,
  ): Promise<(EntryReply & OpenReply) | FuseError> => {
    const { parent, path, mark } = mounted.place(caller.nodeId, name)
    let attributes: Attributes
    try {
      const mode = await modeIn(mounted, parent, asked)
      const attributesOfNew = { mode: mode & PERMISSIONS, ...ownerIn(parent, caller) }
      const conditions = { ifNoneMatch: '*' } as const
      ;({ attributes } = await volume.writeFile(path, Buffer.alloc(0), { caller: by, conditions, attributes: attributesOfNew }))
    } catch (error) {
      if (!isShoalError(error, 'PRECONDITION_FAILED')) throw error
      // Somebody else was faster.
      const there = (flags & O_EXCL) === 0 ? await volume.stat(path) : undefined
      if (there?.type !== 'file') return refusal('EEXIST')
      attributes = there
    }
    const entry = mounted.entry({ parent, name, mark }, attributes)
    const node = table.get(entry.nodeId)
    try {
      const mustEmpty = attributes.sizeBytes > 0 && (flags & O_TRUNC) !== 0
      return { ...entry, ...opened(node, mustEmpty ? await emptied(node) : attributes) }
    } catch (error) {
      // The kernel never hears of the entry.
      table.forget(node.nodeId, 1)
      throw error
    }
  }
  const open = async ({ flags, killPrivileges }: OpenRequest, node: MountedNode): Promise<OpenReply | FuseError> => {
    const isRead = isForReading(flags)
    if (!isRead && mounted.passed.of(node) !== undefined) return mounted.part(node)
    if (killPrivileges) await killPrivilegesOf(mounted, node)
    if ((flags & O_TRUNC) !== 0) return opened(node, await emptied(node))
    // Who writes to what others have changed has a conflict.
    if (!isRead) mounted.back?.doubt(table.path(node))
    const attributes = await mounted.latest(node)
    await mounted.tellAttributes(node, attributes)
    if (!isRead) return opened(node, attributes)
    const reader = await mounted.reader(node)
    return opened(node, reader.attributes, reader)
  }
  return {
    open: (request, { nodeId }) => {
      const node = table.get(nodeId)
      const now = isForReading(request.flags) && !request.killPrivileges ? latestNow(mounted, node) : undefined
      return now === undefined ? open(request, node) : opened(node, now.attributes, now)
    },
    create: (request, caller) => {
      const { name } = request
      checkLength(name)
      const place = mounted.place(caller.nodeId, name)
      const mode = modeNow(mounted, place.parent, request)
      if (mode === undefined) return create(request, caller)
      const attributesOfNew = { mode: mode & PERMISSIONS, ...ownerIn(place.parent, caller) }
      const attributes = volume.createNow?.(place.path, attributesOfNew)
      if (attributes === undefined) return create(request, caller)
      const entry = mounted.entry({ ...place, name }, attributes)
      return { ...entry, ...opened(table.get(entry.nodeId), attributes) }
    },
    tmpfile: async (asked, caller) => {
      const directory = table.get(caller.nodeId)
      const path = mounted.hidden.nameless()
      const mode = asked.mode & ~asked.umask
      const attributesOfNew = { mode: mode & PERMISSIONS, ...ownerIn(directory, caller) }
      const mark = mounted.coherence.mark()
      const conditions = { ifNoneMatch: '*' } as const
      const { attributes } = await volume.writeFile(path, Buffer.alloc(0), {
        caller: by,
        conditions,
        attributes: attributesOfNew,
      })
      const node = table.put(table.get(ROOT_NODE), path[0] as string, { ...attributes, mode: modeOf(attributes) })
      node.hiddenAs = path
      return {
        ...mounted.entry({ parent: table.get(ROOT_NODE), name: path[0] as string, mark }, attributes),
        ...opened(node, attributes),
      }
    },
    // What needs no waiting is answered in the same turn.
    read: (request, caller) => {
      const node = table.get(caller.nodeId)
      const bytes = mounted.atHand(node)
      if (bytes !== undefined) return bytes.subarray(request.offset, request.offset + request.sizeBytes)
      return readRenewed(mounted, { node, request, caller })
    },
    write: ({ offset, data, isAppend, killPrivileges }, { nodeId }) => {
      const node = table.get(nodeId)
      const { written, parts } = mounted.contents(node)
      const mustKill = killPrivileges && privilegesIn(node.mode) !== 0
      const mustSeek = isAppend && knownEnd(mounted, node) !== offset
      const canBeNow = !mustKill && !mustSeek && data.length >= LONG_BYTES
      if (canBeNow && storeNow(mounted, node, { offset, bytes: data })) {
        parts.wrote(offset, data.length)
        mounted.passed.wrote(node.inode, offset, data)
        return data.length
      }
      if (!mustKill && !mustSeek && written.hasRoom(data.length)) return collected(node, offset, data)
      const copy = Buffer.from(data)
      return (async () => {
        if (mustKill) await killPrivilegesOf(mounted, node)
        if (!written.hasRoom(copy.length)) await mounted.flush(node)
        const at = mustSeek ? await endToAppend(mounted, node, offset) : offset
        return collected(node, at, copy)
      })()
    },
    flush: ({ handle }, { nodeId }) => {
      const node = table.get(nodeId)
      if (handle % 2 === READS) return undefined
      const isStored = mounted.isClean(node) || (mounted.back?.publish === undefined && flushNow(mounted, node))
      return isStored ? closed(mounted, node) : mounted.publish(node).then(() => closed(mounted, node))
    },
    fsync: (_, { nodeId }) => mounted.sync(table.get(nodeId)),
    release: (_, { nodeId }) => {
      const node = table.get(nodeId)
      node.opens -= 1
      return node.opens === 0 ? mounted.closed(node) : undefined
    },
    copyFileRange: async ({ offset, targetNodeId, targetOffset, lengthBytes }, { nodeId, uid }) => {
      const [source, target] = [table.get(nodeId), table.get(targetNodeId)]
      await mounted.flush(source)
      await mounted.flush(target)
      const { sizeBytes } = await mounted.stat(source)
      const length = Math.min(lengthBytes, sizeBytes - offset)
      if (length <= 0) return 0
      await killPrivilegesFor(mounted, target, uid)
      const paths = { source: table.path(source), target: table.path(target) }
      await mounted.rewritten(target, await volume.copyRange({ ...paths, sourceOffset: offset, targetOffset, length }, by))
      return length
    },
  }
}

function isForReading(flags: number): boolean {
  return (flags & (O_ACCMODE | O_TRUNC)) === O_RDONLY
}

/** The volume has all that was written to a node, which somebody closes. */
function closed({ back, table }: MountedVolume, node: MountedNode): void {
  const path = back?.closed === undefined ? undefined : table.pathIfAny(node)
  if (path !== undefined) back?.closed?.(path)
}

async function readRenewed(
  mounted: MountedVolume,
  {
    node,
    request,
    caller: { signal },
  }: { readonly node: MountedNode; readonly request: ReadRequest; readonly caller: Pick<Caller, 'signal'> },
): Promise<Uint8Array> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readRange(mounted, { node, signal, ...request })
    } catch (error) {
      // Somebody else changed the file since it was opened: what it is now is as good. Or it lies elsewhere by now.
      const isOther = isShoalError(error, 'CONFLICT') || isShoalError(error, 'NOT_FOUND')
      if (!isOther || tries === READ_TRIES) throw error
      mounted.changed(node)
    }
  }
}

async function readRange(
  mounted: MountedVolume,
  range: { readonly node: MountedNode; readonly offset: number; readonly sizeBytes: number; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const { node, offset, sizeBytes, signal } = range
  const { written } = mounted.contents(node)
  // Taken before the volume is asked: what is stored on the way is in one of the two.
  const pieces = written.within(offset, sizeBytes)
  const writtenEnd = written.end
  const reader = await mounted.reader(node)
  const stored = Math.min(offset + sizeBytes, reader.attributes.sizeBytes)
  if (pieces.length === 0 && writtenEnd <= reader.attributes.sizeBytes && reader.bytes !== undefined)
    return reader.bytes.subarray(offset, Math.max(offset, stored))
  const length = Math.max(0, Math.min(offset + sizeBytes, Math.max(stored, writtenEnd)) - offset)
  let out: Buffer | undefined
  if (stored > offset) {
    let at = 0
    for await (const bytes of reader.read({ offset, length: stored - offset }, signal)) {
      // Mostly all of it lies in one block, which doesn't have to be copied. Its memory isn't used again unless the next one is asked for.
      if (at === 0 && bytes.length === length && pieces.length === 0) return bytes
      out ??= Buffer.alloc(length)
      out.set(bytes, at)
      at += bytes.length
    }
  }
  out ??= Buffer.alloc(length)
  for (const piece of pieces) {
    const from = Math.max(0, offset - piece.offset)
    piece.bytes.copy(out, piece.offset + from - offset, from)
  }
  return out
}
