import { isShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges, RenameMode } from '#volume/volume.ts'
import { setAttributesNow } from './at-once.ts'
import { toNs, TYPE_MASK, typeOf } from './fuse-attributes.ts'
import type { MountedNode } from './inode-table.ts'
import { checkLength } from './hidden-paths.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { refusal } from './protocol/errno.ts'
import type { Caller, FuseOperations } from './protocol/operations.ts'
import type { AttributesReply, EntryReply } from './protocol/replies.ts'
import type { MkdirRequest, SetattrRequest } from './protocol/requests.ts'
import { modeIn, modeNow } from './xattr-operations.ts'

const PERMISSIONS = 0o7777
const SETUID = 0o4000
const SETGID = 0o2000
const GROUP_EXECUTES = 0o010
const DIRECTORY = 0o040000
const ROOT = 0
const RENAME_MODES: Readonly<Record<number, RenameMode>> = { 0: 'replace', 1: 'no-replace', 2: 'exchange' }

type NameOperations = Pick<
  FuseOperations,
  | 'forget'
  | 'lookup'
  | 'getattr'
  | 'statx'
  | 'setattr'
  | 'readlink'
  | 'symlink'
  | 'mknod'
  | 'mkdir'
  | 'unlink'
  | 'rmdir'
  | 'rename'
  | 'link'
>

interface Name {
  readonly parent: MountedNode
  readonly name: string
  readonly path: Path
}

interface Renaming {
  readonly from: Name
  readonly to: Name
  readonly mode: RenameMode
  /** What is known to be where it goes. */
  readonly target: MountedNode | undefined
  /** Somebody has that open. */
  readonly mustStay: boolean
}

/** Names and attributes over a volume. */
export function nameOperations(mounted: MountedVolume): Required<NameOperations> {
  const { volume, caller: by, table } = mounted
  // What is known is answered in the same turn.
  const getattr = (_: unknown, { nodeId }: Caller) => {
    const node = table.get(nodeId)
    const mark = mounted.coherence.mark()
    const now = mounted.statNow(node)
    if (now !== undefined) return mounted.attributes(node, mark, now)
    return mounted.stat(node).then((attributes) => mounted.attributes(node, mark, attributes))
  }
  const remove = ({ name }: { readonly name: string }, { nodeId }: Caller) => {
    const { parent, path } = mounted.place(nodeId, name)
    const node = table.at(parent, name)
    if (node !== undefined && node.opens > 0) return hide(mounted, { parent, name, node })
    const removed = (): void => table.remove(parent, name)
    return volume.removeNow?.(path) === true ? removed() : volume.remove(path, { caller: by }).then(removed)
  }
  const mkdir = async ({ name, ...asked }: MkdirRequest, caller: Caller): Promise<EntryReply> => {
    const { parent, path, mark } = mounted.place(caller.nodeId, name)
    const { mode, ...owner } = ofDirectory(parent, { mode: await modeIn(mounted, parent, asked), caller })
    const made = await volume.makeDirectory(path, { caller: by, mode, attributes: owner })
    return mounted.entry({ parent, name, mark }, await owned(mounted, { path, made, owner }))
  }
  const rename = async ({ from, to, mode, target, mustStay }: Renaming): Promise<void> => {
    if (mode === 'replace' && mustStay && target !== undefined && volume.keepOpen !== undefined) {
      await keepHidden(mounted, { ...to, node: target }, () => volume.rename(from.path, to.path, { caller: by, mode }))
      return table.move(from, to)
    }
    if (mode === 'exchange' || (mode === 'replace' && mustStay)) {
      await volume.rename(from.path, to.path, { caller: by, mode: 'exchange' })
      table.exchange(from, to)
      if (mode !== 'replace' || target === undefined) return
      await hide(mounted, { parent: from.parent, name: from.name, node: target })
      // Until then others find what was replaced under the name that is gone. If they can't be told now, they are later.
      await mounted.back?.sync(from.path).catch(() => undefined)
      return
    }
    await volume.rename(from.path, to.path, { caller: by, mode })
    // Two names of one file: renaming one to the other leaves both.
    if (target === undefined || target !== table.at(from.parent, from.name)) table.move(from, to)
  }
  return {
    forget: (forgotten) => {
      for (const { nodeId, lookups } of forgotten) table.forget(nodeId, lookups)
    },
    lookup: ({ name }, { nodeId }) => {
      checkLength(name)
      const { parent, path, mark } = mounted.place(nodeId, name)
      const answer = (attributes: Attributes | undefined) =>
        attributes === undefined
          ? { absentMs: mounted.coherence.absentMs(mark, parent.inode) }
          : mounted.entry({ parent, name, mark }, attributes)
      const now = mounted.hidden.has(parent, name) ? 'absent' : volume.statNow?.(path)
      return now === undefined ? volume.stat(path).then(answer) : answer(now === 'absent' ? undefined : now)
    },
    getattr,
    statx: getattr,
    setattr: (request, { nodeId, uid }) => {
      const node = table.get(nodeId)
      const mark = mounted.coherence.mark()
      const changesNow = (there: Attributes) => changesOf(request, { there, uid, nowNs: () => mounted.clock.nowNs() })
      const now = request.sizeBytes === undefined ? setAttributesNow(mounted, node, changesNow) : undefined
      return now === undefined ? changeAttributes(mounted, node, { request, uid }) : mounted.attributes(node, mark, now)
    },
    readlink: (_, { nodeId }) => volume.readSymlink(table.path(table.get(nodeId))),
    symlink: ({ name, target }, caller) => {
      checkLength(name)
      const place = mounted.place(caller.nodeId, name)
      const { path } = place
      const owner = ownerIn(place.parent, caller)
      const now = volume.makeSymlinkNow?.(path, target, owner)
      if (now !== undefined) return mounted.entry({ ...place, name }, now)
      const made = volume.makeSymlink(path, target, { caller: by, attributes: owner })
      return made.then(async (link) => mounted.entry({ ...place, name }, await owned(mounted, { path, made: link, owner })))
    },
    mknod: async ({ name, rdev, ...asked }, caller) => {
      checkLength(name)
      const { parent, path, mark } = mounted.place(caller.nodeId, name)
      const mode = await modeIn(mounted, parent, asked)
      const made = await volume.makeNode(path, { type: typeOf(mode), mode: mode & PERMISSIONS, rdev }, by)
      return mounted.entry({ parent, name, mark }, await owned(mounted, { path, made, owner: ownerIn(parent, caller) }))
    },
    mkdir: (request, caller) => {
      const { name } = request
      checkLength(name)
      const place = mounted.place(caller.nodeId, name)
      const mode = modeNow(mounted, place.parent, request)
      const attributes = mode === undefined ? undefined : ofDirectory(place.parent, { mode, caller })
      const made = attributes === undefined ? undefined : volume.makeDirectoryNow?.(place.path, attributes)
      return made === undefined ? mkdir(request, caller) : mounted.entry({ ...place, name }, made)
    },
    unlink: remove,
    rmdir: remove,
    rename: ({ name, newName, newParentId, flags }, { nodeId }) => {
      checkLength(newName)
      const mode = RENAME_MODES[flags]
      if (mode === undefined) return refusal('EINVAL')
      const from = { ...mounted.place(nodeId, name), name }
      const to = { ...mounted.place(newParentId, newName), name: newName }
      const target = table.at(to.parent, newName)
      const mustStay = target !== undefined && target.opens > 0 && target !== table.at(from.parent, name)
      const isNow = !mustStay && volume.renameNow?.(from.path, to.path, mode) === true
      return isNow ? table.move(from, to) : rename({ from, to, mode, target, mustStay })
    },
    link: async ({ name, oldNodeId }, { nodeId }) => {
      checkLength(name)
      const { parent, path, mark } = mounted.place(nodeId, name)
      const node = table.get(oldNodeId)
      return mounted.entry({ parent, name, mark }, await volume.link(table.path(node), path, by))
    },
  }
}

/** Where something has to be waited for. */
async function changeAttributes(
  mounted: MountedVolume,
  node: MountedNode,
  { request, uid }: { readonly request: SetattrRequest; readonly uid: number },
): Promise<AttributesReply> {
  const { volume, table, caller: by } = mounted
  // Times that are set stay only if what was written before is stored before.
  if (!mounted.isClean(node)) await mounted.flush(node)
  const path = table.path(node)
  const mark = mounted.coherence.mark()
  let attributes = mounted.statNow(node) ?? (await mounted.stat(node))
  if (request.sizeBytes !== undefined) {
    attributes = await volume.truncate(path, request.sizeBytes, by)
    mounted.cut(node, attributes)
    // Nobody will close it.
    if (node.opens === 0 && mounted.back?.publish !== undefined) {
      await mounted.back.publish(path)
      attributes = await mounted.stat(node)
    }
  }
  const changes = changesOf(request, { there: attributes, uid, nowNs: () => mounted.clock.nowNs() })
  if (Object.keys(changes).length > 0) attributes = await volume.setAttributes(path, changes, by)
  return mounted.attributes(node, mark, attributes)
}

/** Who owns what is made in a directory: with setgid its group is handed down. */
export function ownerIn(parent: MountedNode, { uid, gid }: Caller): { readonly uid: number; readonly gid: number } {
  return { uid, gid: (parent.mode & SETGID) === 0 ? gid : parent.gid }
}

/** The same of a directory, which passes setgid on. */
function ofDirectory(parent: MountedNode, { mode, caller }: { readonly mode: number; readonly caller: Caller }) {
  return { mode: (mode & PERMISSIONS) | (parent.mode & SETGID), ...ownerIn(parent, caller) }
}

/** Mode bits that a change of contents or owner takes away: setuid, and setgid where the group may execute. */
export function privilegesIn(mode: number): number {
  if ((mode & TYPE_MASK) === DIRECTORY) return 0
  return (mode & SETUID) | ((mode & GROUP_EXECUTES) === 0 ? 0 : mode & SETGID)
}

export async function killPrivilegesOf(mounted: MountedVolume, node: MountedNode): Promise<Attributes | undefined> {
  const { mode } = await mounted.stat(node)
  const lost = privilegesIn(mode)
  if (lost === 0) return undefined
  const changed = await mounted.volume.setAttributes(mounted.table.path(node), { mode: mode & ~lost }, mounted.caller)
  node.mode &= ~lost
  return changed
}

/** The same where the kernel neither says whether they are to be taken away nor looks whether they were. */
export async function killPrivilegesFor(mounted: MountedVolume, node: MountedNode, uid: number): Promise<void> {
  const changed = uid === ROOT ? undefined : await killPrivilegesOf(mounted, node)
  if (changed !== undefined) await mounted.tellAttributes(node, changed)
}

async function owned(
  mounted: MountedVolume,
  {
    path,
    made,
    owner,
  }: { readonly path: readonly string[]; readonly made: Attributes; readonly owner: ReturnType<typeof ownerIn> },
): Promise<Attributes> {
  if (made.uid === owner.uid && made.gid === owner.gid) return made
  return mounted.volume.setAttributes(path, owner, mounted.caller)
}

/** Takes away the name of what is open, and lets the handles go on. */
async function hide(
  mounted: MountedVolume,
  { parent, name, node }: { readonly parent: MountedNode; readonly name: string; readonly node: MountedNode },
): Promise<void> {
  const { volume, table, caller } = mounted
  const path = [...table.path(parent), name]
  // Once is enough: its other names go as those of any file.
  if (node.hiddenAs !== undefined) {
    await volume.remove(path, { caller })
    table.remove(parent, name)
    return
  }
  if (volume.keepOpen !== undefined) return keepHidden(mounted, { parent, name, node }, () => volume.remove(path, { caller }))
  const hiddenAs = mounted.hidden.removed(node)
  try {
    await volume.rename(path, hiddenAs, { caller, mode: 'no-replace' })
  } catch (error) {
    if (isShoalError(error, 'NOT_FOUND')) table.remove(parent, name)
    throw error
  }
  table.remove(parent, name)
  node.hiddenAs = hiddenAs
  // Its last handle may have been closed meanwhile.
  if (node.opens === 0) await mounted.closed(node)
}

/** The same where what was open is kept here, before its name is taken by `take`. */
async function keepHidden(
  mounted: MountedVolume,
  { parent, name, node }: { readonly parent: MountedNode; readonly name: string; readonly node: MountedNode },
  take: () => Promise<unknown>,
): Promise<void> {
  const { volume, table } = mounted
  const kept = await volume.keepOpen?.([...table.path(parent), name])
  try {
    await take()
  } catch (error) {
    kept?.restore()
    if (isShoalError(error, 'NOT_FOUND')) table.remove(parent, name)
    throw error
  }
  const hiddenAs = mounted.hidden.removed(node)
  kept?.hide(hiddenAs)
  table.remove(parent, name)
  node.hiddenAs = hiddenAs
}

/** What a request changes of `there`. */
export function changesOf(
  request: SetattrRequest,
  { there, uid, nowNs }: { readonly there: Attributes; readonly uid: number; readonly nowNs: () => bigint },
): AttributeChanges {
  const { mode } = there
  const time = (asked: SetattrRequest['atime']): bigint | undefined =>
    asked === undefined ? undefined : asked === 'now' ? nowNs() : toNs(asked)
  const [atimeNs, mtimeNs] = [time(request.atime), time(request.mtime)]
  const isKilling = request.killPrivileges || (request.changesNothing && (uid === ROOT || uid === there.uid))
  const killed = isKilling && there.type !== 'directory' ? privilegesIn(mode) : 0
  const kept = mode & ~killed
  const changed = request.mode === undefined ? kept : request.mode & PERMISSIONS
  return {
    ...(changed === mode && request.mode === undefined ? {} : { mode: changed }),
    ...(request.uid === undefined ? {} : { uid: request.uid }),
    ...(request.gid === undefined ? {} : { gid: request.gid }),
    ...(atimeNs === undefined ? {} : { atimeNs }),
    ...(mtimeNs === undefined ? {} : { mtimeNs }),
  }
}
