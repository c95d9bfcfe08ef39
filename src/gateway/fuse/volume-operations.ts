import { encodeName } from '#foundation/name.ts'
import { directoryOperations } from './directory-operations.ts'
import { fileOperations } from './file-operations.ts'
import type { FileLockService } from './file-lock-service.ts'
import { lockOperations } from './lock-operations.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { nameOperations } from './name-operations.ts'
import { refusal } from './protocol/errno.ts'
import type { FuseOperations } from './protocol/operations.ts'
import { spaceOperations } from './space-operations.ts'

const BLOCK_BYTES = 4096
/** Shown as the size of a volume without a quota: 1 PiB, and as many files as bytes of a TiB. */
const BYTES_SHOWN = 2 ** 50
const FILES_SHOWN = 2 ** 40
const NAME_BYTES_MAX = 255
const XATTR_MODES: Readonly<Record<number, 'create' | 'replace' | undefined>> = { 1: 'create', 2: 'replace' }

/** A volume as a file system, written through: what `close` and `fsync` have answered is in the volume. */
export function volumeOperations(
  mounted: MountedVolume,
  { keepsXattrs = true, locks }: { readonly keepsXattrs?: boolean; readonly locks?: FileLockService | undefined } = {},
): FuseOperations {
  const operations = {
    ...nameOperations(mounted),
    ...fileOperations(mounted),
    ...directoryOperations(mounted),
    ...spaceOperations(mounted),
    ...(keepsXattrs ? xattrOperations(mounted) : {}),
    statfs: () => {
      const { policy, usage } = mounted.volume.info
      const blocks = Math.floor((policy.quotaBytes ?? BYTES_SHOWN) / BLOCK_BYTES)
      const freeBlocks = Math.max(0, blocks - Math.ceil(usage.bytes / BLOCK_BYTES))
      const files = policy.quotaFiles ?? FILES_SHOWN
      return {
        blockSizeBytes: BLOCK_BYTES,
        blocks,
        freeBlocks,
        availableBlocks: freeBlocks,
        files,
        freeFiles: Math.max(0, files - usage.files),
        nameBytesMax: NAME_BYTES_MAX,
      }
    },
  }
  // Without a service the kernel keeps locks to itself.
  return locks === undefined ? operations : { ...operations, ...lockOperations(mounted, locks, operations) }
}

type XattrOperations = Pick<FuseOperations, 'setxattr' | 'getxattr' | 'listxattr' | 'removexattr'>

/** Attributes of users and of root's programs; what the system gives a meaning (`system.`, `security.`) isn't kept, so that
 *  nobody relies on what isn't enforced. */
function xattrOperations({ volume, table, caller }: MountedVolume): XattrOperations {
  const isKept = (name: string): boolean => name.startsWith('user.') || name.startsWith('trusted.')
  return {
    setxattr: async ({ name, value, flags }, { nodeId }) => {
      if (!isKept(name)) return refusal('EOPNOTSUPP')
      const mode = XATTR_MODES[flags]
      await volume.writeXattr(table.path(table.get(nodeId)), { name, value, ...(mode === undefined ? {} : { mode }) }, caller)
      return undefined
    },
    getxattr: async ({ name }, { nodeId }) => {
      if (!isKept(name)) return refusal('ENODATA')
      return (await volume.readXattr(table.path(table.get(nodeId)), name)) ?? refusal('ENODATA')
    },
    listxattr: async (_, { nodeId }) => {
      const names = await volume.listXattrs(table.path(table.get(nodeId)))
      return Buffer.concat(names.filter(isKept).flatMap((name) => [encodeName(name), Buffer.of(0)]))
    },
    removexattr: async ({ name }, { nodeId }) => {
      if (!isKept(name)) return refusal('ENODATA')
      await volume.removeXattr(table.path(table.get(nodeId)), name, caller)
      return undefined
    },
  }
}
