import { isShoalError } from '#foundation/errors.ts'
import type { LocalFile } from '#gateway/fuse/own-volume.ts'
import type { Attributes } from '#metadata/attributes.ts'

/** A file of the cluster as the mount shows it. `onRefused` hears that it isn't there as it was. */
export function shownFile(
  file: LocalFile,
  { attributes, onRefused }: { readonly attributes: Attributes; readonly onRefused?: () => void },
): LocalFile {
  const read = async function* (...args: Parameters<LocalFile['read']>): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* file.read(...args)
    } catch (error) {
      if (isShoalError(error, 'CONFLICT') || isShoalError(error, 'NOT_FOUND')) onRefused?.()
      throw error
    }
  }
  return {
    attributes,
    get bytes() {
      return file.bytes
    },
    read,
    close: () => file.close(),
    local: file.local,
  }
}
