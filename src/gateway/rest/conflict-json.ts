import { ShoalError } from '#foundation/errors.ts'
import { formatPath } from '#foundation/path.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'
import type { ConflictInfo, Conflicts, VersionInfo, Volume } from '#volume/volume.ts'

export function conflictJson({ path, versions }: ConflictInfo): Record<string, unknown> {
  return { path: formatPath(path), versions: versions.map(versionJson) }
}

function versionJson({ id, timeNs, node, attributes }: VersionInfo): Record<string, unknown> {
  const sha256 = attributes?.sha256
  return {
    id,
    time: formatTimestamp(timeNs),
    node,
    removed: attributes === undefined,
    ...(attributes === undefined ? {} : { size: attributes.sizeBytes }),
    ...(sha256 === undefined ? {} : { sha256: sha256.toString('hex') }),
  }
}

/** @throws UNSUPPORTED for a volume whose writes can't conflict */
export function conflictsOf({ conflicts, info }: Volume): Conflicts {
  if (conflicts !== undefined) return conflicts
  throw new ShoalError('UNSUPPORTED', `"${info.name}" is a strong volume: its writes come one after the other and can't conflict`)
}
