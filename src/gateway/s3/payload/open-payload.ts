import type { Exchange } from '#gateway/http/exchange.ts'
import type { Authenticated } from '../auth/authenticate.ts'
import type { S3Payload } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { ChunkedPayload } from './chunked-payload.ts'
import { WholePayload } from './whole-payload.ts'

/** S3's most for one request; longer objects come in parts. */
export const MAX_PAYLOAD_BYTES = 5 * 2 ** 30
/** More than chunks of 1 KiB with a signature each add, plus trailers. */
const CODING_SHARE = 1 / 8
const CODING_BYTES = 64 * 1024
const MAX_TRAILERS = 16

export interface PayloadLimits {
  readonly maxBytes: number
  /** Waits for the turn of a body of that length before it is read. */
  readonly enter: (lengthBytes: number) => Promise<void>
}

/** The payload of a request; nothing is read before its iteration. @throws MissingContentLength, EntityTooLarge */
export function openPayload(exchange: Exchange, authenticated: Authenticated, { maxBytes, enter }: PayloadLimits): S3Payload {
  const { payload: form, seed } = authenticated
  const { headers } = exchange
  if (form.kind !== 'chunks') {
    const { lengthBytes } = exchange
    if (lengthBytes === undefined) throw missingLength('Content-Length')
    checkSize(lengthBytes, maxBytes)
    return new WholePayload(() => enter(lengthBytes).then(() => exchange.body(maxBytes)), {
      lengthBytes,
      sha256: form.kind === 'sha256' ? form.sha256 : undefined,
    })
  }
  const announced = headers['x-amz-decoded-content-length']
  if (announced === undefined) throw missingLength('x-amz-decoded-content-length')
  if (typeof announced !== 'string' || !/^\d{1,15}$/.test(announced))
    throw new S3Error('InvalidArgument', 'x-amz-decoded-content-length is not a number of bytes')
  const lengthBytes = Number(announced)
  checkSize(lengthBytes, maxBytes)
  const mostOnTheWire = lengthBytes + Math.ceil(lengthBytes * CODING_SHARE) + CODING_BYTES
  return new ChunkedPayload(() => enter(lengthBytes).then(() => exchange.body(mostOnTheWire)), {
    lengthBytes,
    seed: form.signed ? seed : undefined,
    hasTrailer: form.trailer,
    trailerNames: form.trailer ? trailerNames(headers['x-amz-trailer']) : [],
  })
}

function trailerNames(header: string | string[] | undefined): string[] {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '')
  const names = text
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  if (names.length > MAX_TRAILERS)
    throw new S3Error('MalformedTrailerError', `x-amz-trailer names more than ${MAX_TRAILERS} trailers`)
  return names
}

function checkSize(lengthBytes: number, maxBytes: number): void {
  if (lengthBytes <= maxBytes) return
  throw new S3Error('EntityTooLarge', `The payload has ${lengthBytes} bytes; ${maxBytes} are allowed`, {
    elements: { ProposedSize: lengthBytes, MaxSizeAllowed: maxBytes },
  })
}

function missingLength(header: string): S3Error {
  return new S3Error('MissingContentLength', `The ${header} header is missing: the length of a payload is announced`)
}
