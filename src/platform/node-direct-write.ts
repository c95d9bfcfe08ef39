import * as fs from 'node:fs'
import { systemErrorCode } from './files.ts'

const { O_DIRECT, O_WRONLY } = fs.constants as { readonly O_DIRECT?: number; readonly O_WRONLY: number }

/** Memory and place in the file have to be multiples of the disk's blocks, which are pages at most. */
const ALIGNMENT_BYTES = 4096
/** Below it, opening the file once more costs more than it saves. */
const LEAST_BYTES = 1024 * 1024
const STEP_BYTES = 4 * 1024 * 1024
/** What file systems without it say. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOTSUP'])

/** Writes what it can of `piece` to the file past the page cache (O_DIRECT, open(2)), and answers how many bytes from its
 *  beginning on that are; the rest is the caller's, and so is flushing all of it. Nothing is kept in memory of what a
 *  disk gets for good, no page has to be found for it, and none of what others read is driven out: a third to a tenth of
 *  the processor's time. None for short pieces, memory that doesn't begin on a page, and file systems that can't.
 *  @throws the system's error, such as ENOSPC */
export function writeDirectly(path: string, piece: Uint8Array, position: number): number {
  const length = piece.length - (piece.length % ALIGNMENT_BYTES)
  if (O_DIRECT === undefined || length < LEAST_BYTES || position % ALIGNMENT_BYTES !== 0 || !beginsOnPage(piece)) return 0
  let written = 0
  let fd: number | undefined
  try {
    fd = fs.openSync(path, O_WRONLY | O_DIRECT)
    // A write that comes out shorter has met the end of the disk: the rest says so.
    while (written < length && written % ALIGNMENT_BYTES === 0)
      written += fs.writeSync(fd, piece, written, Math.min(STEP_BYTES, length - written), position + written)
    return written
  } catch (error) {
    if (!REFUSALS.has(systemErrorCode(error))) throw error
    return written
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/** V8 gives memory that could grow pages of its own. */
function beginsOnPage({ buffer, byteOffset }: Uint8Array): boolean {
  const hasPages = buffer instanceof SharedArrayBuffer ? buffer.growable : buffer.resizable
  return hasPages && byteOffset % ALIGNMENT_BYTES === 0
}
