import type { ShoalClient } from '#client/shoal-client.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'

export interface SymlinkToMake {
  readonly volume: string
  readonly path: string
  readonly target: string
}

/** Makes a symbolic link, in the place of a file or another link if there is one. @throws IS_A_DIRECTORY */
export async function replaceSymlink(client: ShoalClient, { volume, path, target }: SymlinkToMake): Promise<'made' | 'same'> {
  try {
    await client.makeSymlink(volume, path, target)
    return 'made'
  } catch (error) {
    if (!isShoalError(error, 'ALREADY_EXISTS')) throw error
  }
  const there = await client.findEntry(volume, path)
  if (there?.type === 'symlink' && there.target === target) return 'same'
  if (there?.type === 'directory')
    throw new ShoalError('IS_A_DIRECTORY', `"${path}" is a directory, and a symbolic link can't take its place`)
  if (there !== undefined) await client.remove(volume, path)
  await client.makeSymlink(volume, path, target)
  return 'made'
}
