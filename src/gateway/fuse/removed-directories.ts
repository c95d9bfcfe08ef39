import type { Attributes } from '#metadata/attributes.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { changesOf } from './name-operations.ts'
import { FuseError, refusal } from './protocol/errno.ts'
import type { Answer, Caller, FuseOperations } from './protocol/operations.ts'
import { listed } from './xattr-operations.ts'

/** Flags of setxattr(2). */
const [CREATE, REPLACE] = [1, 2]
const XATTRS_MAX = 64

/** A directory that somebody still has, open or as the one he works in, though it was removed. */
interface Removed {
  attributes: Attributes
  readonly xattrs: Map<string, Buffer>
}

type Handler<Request, Reply> = (request: Request, caller: Caller) => Answer<Reply>

/** The same operations, in which directories go on as on a disk for those who have them when this mount removes them: without a name, and
 *  empty. The volume has them no more; what is said of them is kept here, until the kernel forgets them. That nothing is made in one, and
 *  that it lists nothing, the kernel sees to. */
export function withRemovedDirectories(mounted: MountedVolume, operations: FuseOperations): FuseOperations {
  const { table, clock } = mounted
  const kept = new Map<number, Removed>()

  const keptAfter = (answer: Answer<void>, node: MountedNode, known: Attributes | undefined): Answer<void> => {
    if (answer instanceof Promise) return answer.then((settled) => keptAfter(settled, node, known))
    if (answer instanceof FuseError || known?.type !== 'directory' || !table.has(node.nodeId)) return answer
    const attributes = { ...known, links: 0, ctimeNs: clock.nowNs() }
    kept.set(node.nodeId, { attributes, xattrs: new Map() })
    return answer
  }
  const removing = (node: MountedNode | undefined, remove: () => Answer<void>): Answer<void> => {
    const known = node && mounted.statNow(node)
    if (node === undefined || (known === undefined && !mounted.listings.isOpen(node))) return remove()
    if (known !== undefined) return keptAfter(remove(), node, known)
    return mounted.stat(node).then(
      (attributes) => keptAfter(remove(), node, attributes),
      () => remove(),
    )
  }
  /** `answer` for those that were removed. */
  function instead<Request, Reply>(
    handler: Handler<Request, Reply>,
    answer: (removed: Removed, request: Request, caller: Caller) => Reply | FuseError,
  ): Handler<Request, Reply> {
    return (request, caller) => {
      const removed = kept.size === 0 ? undefined : kept.get(caller.nodeId)
      return removed === undefined ? handler(request, caller) : answer(removed, request, caller)
    }
  }
  const shown = ({ attributes }: Removed, _: unknown, { nodeId }: Caller) =>
    mounted.attributes(table.get(nodeId), mounted.coherence.mark(), attributes)

  const { forget, getattr, statx, setattr, rmdir, rename, fsyncdir, getxattr, setxattr, listxattr, removexattr } = operations
  return {
    ...operations,
    forget: (forgotten) => {
      forget(forgotten)
      if (kept.size > 0) for (const { nodeId } of forgotten) if (!table.has(nodeId)) kept.delete(nodeId)
    },
    getattr: instead(getattr, shown),
    ...(statx && { statx: instead(statx, shown) }),
    ...(setattr && {
      setattr: instead(setattr, (removed, request, caller) => {
        const { uid } = caller
        const nowNs = clock.nowNs()
        const changes = changesOf(request, { there: removed.attributes, uid, nowNs: () => nowNs })
        removed.attributes = { ...removed.attributes, ...changes, ctimeNs: nowNs }
        return shown(removed, request, caller)
      }),
    }),
    ...(rmdir && {
      rmdir: (request, caller) => removing(table.at(table.get(caller.nodeId), request.name), () => rmdir(request, caller)),
    }),
    ...(rename && {
      rename: (request, caller) => {
        const { newParentId, newName, flags } = request
        return removing(flags === 0 ? table.at(table.get(newParentId), newName) : undefined, () => rename(request, caller))
      },
    }),
    ...(fsyncdir && { fsyncdir: instead(fsyncdir, () => undefined) }),
    ...(getxattr && { getxattr: instead(getxattr, ({ xattrs }, { name }) => xattrs.get(name) ?? refusal('ENODATA')) }),
    ...(listxattr && { listxattr: instead(listxattr, ({ xattrs }) => listed([...xattrs.keys()])) }),
    ...(setxattr && {
      setxattr: instead(setxattr, ({ xattrs }, { name, value, flags }) => {
        if (!name.startsWith('user.')) return refusal('EOPNOTSUPP')
        if (flags === CREATE && xattrs.has(name)) return refusal('EEXIST')
        if (flags === REPLACE && !xattrs.has(name)) return refusal('ENODATA')
        if (xattrs.size >= XATTRS_MAX) return refusal('ENOSPC')
        xattrs.set(name, Buffer.from(value))
        return undefined
      }),
    }),
    ...(removexattr && {
      removexattr: instead(removexattr, ({ xattrs }, { name }) => (xattrs.delete(name) ? undefined : refusal('ENODATA'))),
    }),
  }
}
