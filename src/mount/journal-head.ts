import { ShoalError } from '#foundation/errors.ts'
import type { AppendFile } from '#platform/append-files.ts'

// How a file of the journal begins: docs/formats/mount-journal.md.

const MAGIC = 'shoal mount journal\n'
/** Formats of a file: 2 says what was flushed, 3 has CRC-32 for CRC32C. */
export type Format = 1 | 2 | 3
export const FORMAT: Format = 3
const HEAD_BYTES_MAX = 1024
const GIVE_UP = 'To give up what is in it: move it away, with the later files beside it'

export function headOf(volume: string): Buffer {
  return Buffer.from(`${MAGIC}${JSON.stringify({ format: FORMAT, volume })}\n`)
}

/** The format of a file, and where its records begin; an error where it was not written whole, so that nothing is behind it.
 *  @throws DATA_FORMAT: it is of a newer version, or no journal at all; CORRUPT */
export function readHead(file: AppendFile, path: string): { format: Format; end: number; volume: string } | ShoalError {
  const head = Buffer.alloc(Math.min(file.sizeBytes, HEAD_BYTES_MAX))
  file.read(head, 0)
  const end = head.indexOf(10, MAGIC.length)
  const isOurs = head.subarray(0, MAGIC.length).toString('latin1') === MAGIC.slice(0, head.length)
  const isUnwritten = isOurs ? end < 0 : head.every((byte) => byte === 0)
  const advice = 'mount with the version that wrote it, so that it can send what it holds'
  if (!isOurs || isUnwritten) {
    if (isUnwritten) return new ShoalError('CORRUPT', `The journal "${path}" has lost its first lines. ${GIVE_UP}`)
    throw new ShoalError('DATA_FORMAT', `"${path}" is no journal of a mount: ${advice}`)
  }
  const { format, volume } = factsIn(head.toString('utf8', MAGIC.length, end), path)
  if (format !== 1 && format !== 2 && format !== FORMAT)
    throw new ShoalError('DATA_FORMAT', `"${path}" has format ${format}, and this version reads ${FORMAT}: ${advice}`)
  return { format, end: end + 1, volume }
}

export function foreignError(
  path: string,
  { written, volume }: { readonly written: string; readonly volume: string },
): ShoalError {
  return new ShoalError(
    'DATA_FORMAT',
    `"${path}" holds changes to ${written}, not to ${volume}: mount that there first, or move the folder away`,
  )
}

function factsIn(line: string, path: string): { readonly format: number; readonly volume: string } {
  try {
    const { format, volume } = JSON.parse(line) as { format: number; volume: string }
    return { format, volume }
  } catch (cause) {
    throw new ShoalError('CORRUPT', `The first lines of the journal "${path}" are damaged. ${GIVE_UP}`, { cause })
  }
}
