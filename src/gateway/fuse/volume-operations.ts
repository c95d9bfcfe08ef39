import { directoryOperations } from './directory-operations.ts'
import { fileOperations } from './file-operations.ts'
import type { FileLockService } from './file-lock-service.ts'
import { lockOperations } from './lock-operations.ts'
import type { MountedVolume } from './mounted-volume.ts'
import { nameOperations } from './name-operations.ts'
import type { FuseOperations } from './protocol/operations.ts'
import { withRemovedDirectories } from './removed-directories.ts'
import { spaceOperations } from './space-operations.ts'
import { spaceOf } from './volume-space.ts'
import { xattrOperations } from './xattr-operations.ts'

/** A volume as a file system, written through: what `close` and `fsync` have answered is in the volume. */
export function volumeOperations(
  mounted: MountedVolume,
  {
    keepsXattrs = true,
    keepsAcls = false,
    locks,
    room = () => undefined,
  }: {
    readonly keepsXattrs?: boolean
    readonly keepsAcls?: boolean
    readonly locks?: FileLockService | undefined
    /** How many bytes more there is room for, if that is known. */
    readonly room?: () => number | undefined
  } = {},
): FuseOperations {
  const operations = {
    ...nameOperations(mounted),
    ...fileOperations(mounted),
    ...directoryOperations(mounted),
    ...spaceOperations(mounted),
    ...(keepsXattrs ? xattrOperations(mounted, { acls: keepsAcls }) : {}),
    statfs: () => spaceOf(mounted.volume.info, room()),
  }
  // Without a service the kernel keeps locks to itself.
  const all = locks === undefined ? operations : { ...operations, ...lockOperations(mounted, locks, operations) }
  return withRemovedDirectories(mounted, all)
}
