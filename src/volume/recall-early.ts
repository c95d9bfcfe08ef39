import { ShoalError } from '#foundation/errors.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { recall, refuse, type ResultCodec } from '#metadata/remembered.ts'
import type { Caller } from './volume.ts'

/** The result of a request that was done already, for a change that has more to do than its transaction: before it looks at anything, or
 *  asks for its contents. @throws as `recall`; UNAVAILABLE for a question, if it was not done: then it won't be */
export async function recallEarly<T>(
  metadata: Metadata,
  { request }: Caller,
  codec: ResultCodec<T>,
): Promise<{ readonly result: T } | undefined> {
  if (request === undefined || !request.isRepeat) return undefined
  if (!request.isQuestion) return metadata.readSystem((snapshot) => recall(snapshot, request, codec))
  const known = await metadata.transactSystem((tx) => refuse(tx, request, codec))
  if (known !== undefined) return known
  throw new ShoalError(
    'UNAVAILABLE',
    'The node that received this request was lost before it was done; nothing was done: send it again',
  )
}
