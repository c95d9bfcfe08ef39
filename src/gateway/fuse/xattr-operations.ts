import { isShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import type { MountedNode } from './inode-table.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { refusal } from './protocol/errno.ts'
import type { FuseOperations } from './protocol/operations.ts'

const KINDS = ['user.', 'trusted.'] as const
const MODES: Readonly<Record<number, 'create' | 'replace' | undefined>> = { 1: 'create', 2: 'replace' }
const ACCESS_ACL = 'system.posix_acl_access'
const DEFAULT_ACL = 'system.posix_acl_default'
/** The kernel asks for it before it lets anybody write, and `getcap` takes any other answer than that there is none for an error. */
const CAPABILITY = 'security.capability'
const SETGID = 0o2000
const ROOT = 0
const NO_NAMES = Buffer.alloc(0)

type XattrOperations = Pick<FuseOperations, 'setxattr' | 'getxattr' | 'listxattr' | 'removexattr'>

/** Attributes of users and of root's programs, and with `acls` access control lists, which the volume keeps in step with modes. What
 *  else the system gives a meaning (`security.`) isn't kept, so that nobody relies on what isn't enforced. */
export function xattrOperations(mounted: MountedVolume, { acls }: { readonly acls: boolean }): Required<XattrOperations> {
  const { volume, table, caller } = mounted
  const isAcl = (name: string): boolean => acls && (name === ACCESS_ACL || name === DEFAULT_ACL)
  const isKept = (name: string): boolean => KINDS.some((kind) => name.startsWith(kind) && name !== kind) || isAcl(name)
  // Who hears that there are no such attributes here doesn't ask for those of the next file (`ls -l`).
  const notKept = (name: string) => refusal(KINDS.some((kind) => name === kind) ? 'EINVAL' : 'EOPNOTSUPP')
  return {
    setxattr: async ({ name, value, flags, killSetgid }, { nodeId }) => {
      if (!isKept(name)) return notKept(name)
      const node = table.get(nodeId)
      const mode = MODES[flags]
      node.bareUntilMs = 0
      await volume.writeXattr(table.path(node), { name, value, ...(mode === undefined ? {} : { mode }) }, caller)
      if (killSetgid && isAcl(name)) {
        const now = await mounted.stat(node)
        await volume.setAttributes(table.path(node), { mode: now.mode & ~SETGID }, caller)
      }
      return undefined
    },
    // Of files that have none nobody has to wait.
    getxattr: ({ name }, { nodeId }) => {
      if (!isKept(name)) return name === CAPABILITY ? refusal('ENODATA') : notKept(name)
      const node = table.get(nodeId)
      if (mounted.isBare(node)) return refusal('ENODATA')
      return volume.readXattr(table.path(node), name).then((value) => value ?? refusal('ENODATA'))
    },
    // The kernel lets nobody but root read the others.
    listxattr: (_, { nodeId, uid }) => {
      const node = table.get(nodeId)
      if (mounted.isBare(node)) return NO_NAMES
      return volume
        .listXattrs(table.path(node))
        .then((names) => listed(names.filter((name) => isKept(name) && (uid === ROOT || !name.startsWith('trusted.')))))
    },
    removexattr: async ({ name }, { nodeId }) => {
      if (!isKept(name)) return name === CAPABILITY ? refusal('ENODATA') : notKept(name)
      try {
        await volume.removeXattr(table.path(table.get(nodeId)), name, caller)
      } catch (error) {
        // Taking away a list that isn't there is no mistake (setfacl -b).
        if (!isAcl(name) || !isShoalError(error, 'XATTR_NOT_FOUND')) throw error
      }
      return undefined
    },
  }
}

/** As the kernel takes them. */
export function listed(names: readonly string[]): Buffer {
  return Buffer.concat(names.flatMap((name) => [encodeName(name), Buffer.of(0)]))
}

/** The mode of what is made in a directory: its default list takes the place of the umask, and the volume heeds it. */
export async function modeIn(
  mounted: MountedVolume,
  parent: MountedNode,
  { mode, umask }: { readonly mode: number; readonly umask: number },
): Promise<number> {
  const now = modeNow(mounted, parent, { mode, umask })
  if (now !== undefined) return now
  const isMasked = (await mounted.volume.readXattr(mounted.table.path(parent), DEFAULT_ACL)) === undefined
  return isMasked ? mode & ~umask : mode
}

/** The same, if it is known without asking. */
export function modeNow(
  mounted: MountedVolume,
  parent: MountedNode,
  { mode, umask }: { readonly mode: number; readonly umask: number },
): number | undefined {
  const masked = mode & ~umask
  return masked === mode || mounted.isBare(parent) ? masked : undefined
}
