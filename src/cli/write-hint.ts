import { access, constants, stat } from 'node:fs/promises'

/** What to do for it, if this user may not write to the root of a volume that he has mounted. */
export async function writeHint(volume: string, directory: string): Promise<string | undefined> {
  const refusal = await access(directory, constants.W_OK).then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) => code,
  )
  // A mount that is read-only says EROFS.
  if (refusal !== 'EACCES') return undefined
  const { uid, mode } = await stat(directory)
  const [me, group] = [process.getuid?.(), process.getgid?.()]
  const permissions = (mode & 0o7777).toString(8).padStart(4, '0')
  return `You can't write there: the root of ${volume} belongs to user ${uid} and has mode ${permissions}. To get it, with a key that may write: shoal chown ${me}:${group} ${volume}:/`
}
