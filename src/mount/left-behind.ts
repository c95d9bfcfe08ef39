import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { AppendFiles } from '#platform/append-files.ts'
import { Journal } from './journal.ts'

export interface LeftBehindOptions {
  readonly files: AppendFiles
  /** Of the journal. */
  readonly folder: string
  /** Which volume of which cluster. */
  readonly identity: string
}

/** What keeps a mount that has no journal itself from showing all that an earlier mount of the directory has acknowledged: changes that are in
 *  its journal still, and that nobody sends meanwhile. */
export function leftBehind({ files, folder, identity }: LeftBehindOptions): ShoalError | undefined {
  try {
    if (!files.list(folder).some((name) => name.endsWith('.journal'))) return undefined
    const { journal, pending } = Journal.open({ files, folder, volume: identity }, 0)
    journal.close()
    if (pending.length === 0) return undefined
    const advice = 'mount it written back first, so that they are sent, or move the folder away'
    return new ShoalError(
      'CONFLICT',
      `"${folder}" has ${pending.length} changes of an earlier mount that were not sent: ${advice}`,
    )
  } catch (error) {
    if (!isShoalError(error)) throw error
    // Whoever uses it sends them.
    return isShoalError(error, 'DATA_IN_USE') ? undefined : error
  }
}
