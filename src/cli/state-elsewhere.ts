import { realpath } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { usageError } from './usage-error.ts'

/** What a mount keeps on this machine can't lie in the directory that it covers, as it would in a home directory that is mounted: its
 *  process would wait for itself, for ever, where nobody can kill it. `directory` is without links. @throws INVALID_ARGUMENT */
export async function refuseStateWithin(directory: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const real = await realPath(resolve(path))
    if (!isWithin(real, directory)) continue
    throw usageError(
      `The mount would keep "${real}" in the directory that it covers, "${directory}", and wait for itself: set XDG_STATE_HOME, --journal and --log-file, where they are given, to what lies elsewhere`,
    )
  }
}

function isWithin(path: string, directory: string): boolean {
  const below = relative(directory, path)
  return below !== '..' && !below.startsWith('../')
}

/** Without links, also of what is not there yet, or below a mount that is dead. */
async function realPath(path: string): Promise<string> {
  const above = dirname(path)
  if (above === path) return path
  return realpath(path).catch(async () => join(await realPath(above), path.slice(above.length)))
}
