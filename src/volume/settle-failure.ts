import { isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { RequestMark } from '#foundation/request-mark.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { settleFailure } from '#metadata/remembered.ts'

/** What says nothing of the request itself, but of how it came: the next one may come whole. */
const NEVER_FINAL: ReadonlySet<ErrorCode> = new Set(['CANCELLED', 'INCOMPLETE_BODY', 'DIGEST_MISMATCH', 'INTERNAL'])

/** What a client is to be told of a request that has failed, and may have come before: the same, once it is sure that nothing comes of it any more
 *  behind the client's back; else that nobody knows. */
export async function settleRequest(metadata: Metadata, request: RequestMark, error: ShoalError): Promise<ShoalError> {
  if (error.details['ambiguous'] === true) return error
  // What a door makes of its own is not kept as it is.
  const isFinal = error.retry === 'never' && !NEVER_FINAL.has(error.code) && error.constructor === ShoalError
  try {
    const isSettled = await metadata.transactSystem((tx) => settleFailure(tx, request, { error, isFinal }), { frees: true })
    return isSettled ? error : ambiguous(error)
  } catch (cause) {
    if (!isShoalError(cause)) throw cause
    return ambiguous(error)
  }
}

function ambiguous(cause: ShoalError): ShoalError {
  const message = `The request may have been carried out, or not, and failed when it came again: ${cause.message}`
  return new ShoalError('UNAVAILABLE', message, { details: { ambiguous: true }, cause })
}
