import { closeSync, constants, openSync } from 'node:fs'
import { encodeName } from '#foundation/name.ts'

const SLASH = Buffer.from('/')
/** Linux' PATH_MAX of 4,096 bytes, less room for a temporary name and for `/proc/self/fd/N/`. */
const DIRECT_BYTES = 3_800

/** The bytes of `names` (with `/` between them) below `directory`. */
export function joinLocal(directory: Buffer, names: string): Buffer {
  if (names === '') return directory
  const parts = directory.at(-1) === 0x2f ? [directory] : [directory, SLASH]
  return Buffer.concat([...parts, encodeName(names)])
}

export function joinLocalBytes(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat(directory.at(-1) === 0x2f ? [directory, name] : [directory, SLASH, name])
}

/** The directory that holds `path`. */
export function parentOf(path: Buffer): Buffer {
  const slash = path.lastIndexOf(0x2f)
  return slash < 0 ? Buffer.from('.') : path.subarray(0, Math.max(1, slash))
}

/** Calls `use` with a path for the same file that the operating system takes, however long `path` is: below a directory
 *  that is opened for as long as the call takes. Elsewhere than on Linux long paths stay long, and fail there. */
export function withLocalPath<T>(path: Buffer, use: (path: Buffer) => T): T {
  if (path.length <= DIRECT_BYTES) return use(path)
  let rest = path
  let anchor: number | undefined
  try {
    while (rest.length > DIRECT_BYTES) {
      const cut = rest.lastIndexOf(0x2f, DIRECT_BYTES)
      if (cut <= 0) break
      const next = openSync(below(anchor, rest.subarray(0, cut)), constants.O_RDONLY | constants.O_DIRECTORY)
      if (anchor !== undefined) closeSync(anchor)
      anchor = next
      rest = rest.subarray(cut + 1)
    }
    return use(below(anchor, rest))
  } finally {
    if (anchor !== undefined) closeSync(anchor)
  }
}

function below(anchor: number | undefined, path: Buffer): Buffer {
  return anchor === undefined ? path : Buffer.concat([Buffer.from(`/proc/self/fd/${anchor}/`), path])
}
