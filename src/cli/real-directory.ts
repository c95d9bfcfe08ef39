import { lstat, readFile, realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { findMount, parseMountTable } from '#platform/mount-table.ts'

/** The absolute path of a directory without links in it, as the system's table of mounts has it. A mount that is dead lets nobody look at it,
 *  and one that is silent has whoever looks wait. */
export async function realDirectory(path: string): Promise<string> {
  const absolute = resolve(path)
  const here = await realpath(dirname(absolute)).then(
    (above) => join(above, basename(absolute)),
    () => absolute,
  )
  if (await isMounted(here)) return here
  try {
    const isLink = (await lstat(here)).isSymbolicLink()
    return isLink ? await realDirectory(await realpath(here)) : here
  } catch {
    return here
  }
}

async function isMounted(directory: string): Promise<boolean> {
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  return findMount(parseMountTable(table), directory) !== undefined
}
