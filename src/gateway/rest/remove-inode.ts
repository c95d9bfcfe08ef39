import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { entityTag } from '#metadata/attributes.ts'
import type { Caller, Volume } from '#volume/volume.ts'
import { notFound } from './read-file.ts'

/** Its contents may change on the way; an inode has seldom more than one writer at a time. */
const TRIES = 8

/** Removes a file, a link or an empty directory, if what is there is a certain inode, in whatever version.
 *  @throws NOT_FOUND; PRECONDITION_FAILED if another inode is there */
export async function removeInode(
  volume: Volume,
  { path, inode }: { readonly path: Path; readonly inode: number | undefined },
  caller: Caller,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const there = await volume.stat(path)
    if (there === undefined) throw notFound(path)
    if (inode !== undefined && there.inode !== inode)
      throw new ShoalError('PRECONDITION_FAILED', `The inode is ${there.inode}, not ${inode}`)
    try {
      return await volume.remove(path, { caller, conditions: { ifMatch: [entityTag(there)] } })
    } catch (error) {
      if (!isShoalError(error, 'PRECONDITION_FAILED') || tries === TRIES) throw error
    }
  }
}
