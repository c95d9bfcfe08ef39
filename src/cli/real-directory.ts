import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

/** The absolute path of a directory without links in it, as the system's table of mounts has it. A mount that is dead lets nobody look at it. */
export async function realDirectory(path: string): Promise<string> {
  const absolute = resolve(path)
  try {
    const isLink = (await lstat(absolute)).isSymbolicLink()
    return isLink ? await realDirectory(await realpath(absolute)) : join(await realpath(dirname(absolute)), basename(absolute))
  } catch {
    return realpath(dirname(absolute)).then(
      (above) => join(above, basename(absolute)),
      () => absolute,
    )
  }
}
