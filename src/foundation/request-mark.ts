import { createHash } from 'node:crypto'

/** Who has named a request: its client, which may come back with it minutes later; or the door that has taken it from the client, which sends it to
 *  another node and gives up after some seconds. */
export const MARK_ORIGINS = ['client', 'door'] as const
export type MarkOrigin = (typeof MARK_ORIGINS)[number]

/** By what a request that changes something is known when it comes again, so that it is done once. */
export interface RequestMark {
  readonly origin: MarkOrigin
  /** Its name among those of the same origin: 1 to `MARK_ID_BYTES_MAX` bytes. */
  readonly id: Buffer
  /** What it asks for, in 16 bytes: another request by the same name is a mistake of whoever has named it. */
  readonly fingerprint: Buffer
  /** Which of the times that it came from its client. */
  readonly arrival: string
  /** It may have been done already. */
  readonly isRepeat: boolean
  /** It isn't to be done: its answer is asked for if it was, and that this arrival of it won't be done any more if it wasn't. */
  readonly isQuestion: boolean
}

export const MARK_ID_BYTES_MAX = 64

/** The mark of one of several changes that a request makes, each of them once. */
export function partOfMark(mark: RequestMark, part: string): RequestMark {
  const id = createHash('sha256').update(mark.id).update(`\n${part}`).digest().subarray(0, 16)
  return { ...mark, id }
}
