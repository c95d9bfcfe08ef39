import { ShoalError } from '#foundation/errors.ts'
import { ENTRY_BYTES_MAX } from './log.ts'

/** What every adapter checks at its door. @throws TOO_LARGE */
export function checkEntrySize(bytes: Uint8Array): void {
  if (bytes.length <= ENTRY_BYTES_MAX) return
  throw new ShoalError('TOO_LARGE', `An entry of the log may have at most ${ENTRY_BYTES_MAX} bytes, this one has ${bytes.length}`)
}

/** @throws CURSOR_TOO_OLD when entry `index` of a log that begins at `first` has been trimmed */
export function checkNotTrimmed(index: number, first: number): void {
  if (index >= first) return
  throw new ShoalError('CURSOR_TOO_OLD', `Entry ${index} of the log has been trimmed: it begins at ${first}`, {
    details: { index, first },
  })
}
