import { ShoalError } from '#foundation/errors.ts'
import { HEADER_BYTES_MAX } from '#wire/limits.ts'
import type { WireHeader } from '#wire/messages.ts'

// The heads of requests and answers that are sent on, as docs/formats/forward-calls.md has them.

/** A request as it was received, and what is known of who sent it. */
export interface RequestHead {
  /** The server of the other node that the request is for: each of its ports is one. */
  readonly server: string
  /** What the client is told as `X-Request-Id`. */
  readonly id: string
  readonly remoteAddress: string
  /** The client speaks TLS. */
  readonly isSecure: boolean
  /** Of a change that is done once, as `ForwardedChange` has them. */
  readonly isRepeat?: boolean
  readonly isQuestion?: boolean
  /** The client waits for a 100 before it sends the body. */
  readonly expectsContinue: boolean
  readonly httpVersion: string
  readonly method: string
  /** Path and query, byte for byte. */
  readonly target: string
  /** Names and values in turn, in their order and spelling. */
  readonly rawHeaders: readonly string[]
}

export interface AnswerHead {
  readonly status: number
  /** Names and values in turn. */
  readonly headers: string[]
}

const REQUEST_FIELDS = 7
const LENGTH_BYTES = 4
/** Twice the longest head that a node can be configured to take (`limits.maxHeaderBytes`). */
const HEAD_BYTES_MAX = 2 * 1024 * 1024
const NO_BYTES = Buffer.alloc(0)

/** No field can have a line feed in it: the parser refuses them in requests, and `ForwardedResponse` in answers. */
export function encodeRequestHead(head: RequestHead): string {
  const { server, id, remoteAddress, isSecure, expectsContinue, httpVersion, method, target, rawHeaders } = head
  const repeated = head.isRepeat === true ? (head.isQuestion === true ? 'rq' : 'r') : ''
  const flags = `${isSecure ? 's' : ''}${expectsContinue ? 'c' : ''}${repeated}`
  const fields = `${server}\n${id}\n${remoteAddress}\n${flags}\n${httpVersion}\n${method}\n${target}`
  return rawHeaders.length === 0 ? fields : `${fields}\n${rawHeaders.join('\n')}`
}

/** @throws INVALID_ARGUMENT */
export function decodeRequestHead(text: string): RequestHead {
  const fields = text.split('\n')
  if (fields.length < REQUEST_FIELDS || fields.length % 2 === 0) throw malformed()
  const [server, id, remoteAddress, flags, httpVersion, method, target] = fields as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  return {
    server,
    id,
    remoteAddress,
    isSecure: flags.includes('s'),
    expectsContinue: flags.includes('c'),
    isRepeat: flags.includes('r'),
    isQuestion: flags.includes('q'),
    httpVersion,
    method,
    target,
    rawHeaders: fields.slice(REQUEST_FIELDS),
  }
}

export function encodeAnswerHead({ status, headers }: AnswerHead): string {
  return headers.length === 0 ? String(status) : `${status}\n${headers.join('\n')}`
}

/** @throws INVALID_ARGUMENT */
export function decodeAnswerHead(text: string): AnswerHead {
  const headers = text.split('\n')
  const status = Number(headers.shift())
  if (!Number.isInteger(status) || status < 200 || status > 599 || headers.length % 2 !== 0) throw malformed()
  return { status, headers }
}

/** What a head is sent as: the header of a call or an answer, with the content behind it if there is one. A head for which the header is too
 *  small goes before the body: then `inBody` is what the body begins with, and the content must be empty. */
export function packHead(text: string, content: Buffer = NO_BYTES): { readonly header: Buffer; readonly inBody?: Buffer } {
  const fits = fitsHeader(text, content.length)
  const packed = Buffer.allocUnsafe(LENGTH_BYTES + text.length + (fits ? content.length : 0))
  packed.writeUInt32BE(text.length, 0)
  packed.write(text, LENGTH_BYTES, 'latin1')
  if (!fits) return { header: HEAD_IN_BODY, inBody: packed }
  packed.set(content, LENGTH_BYTES + text.length)
  return { header: packed }
}

/** Says that the head is what the body begins with. */
export const HEAD_IN_BODY = Buffer.alloc(LENGTH_BYTES)

/** Whether the head and so much content can be the header of a call or an answer. */
export function fitsHeader(text: string, contentBytes: number): boolean {
  return LENGTH_BYTES + text.length + contentBytes <= HEADER_BYTES_MAX
}

/** What `packHead` has put into a header; `undefined` if the head is in the body. @throws INVALID_ARGUMENT */
export function headInHeader(header: WireHeader): { readonly text: string; readonly content: Buffer } | undefined {
  if (!(header instanceof Uint8Array) || header.length < LENGTH_BYTES) throw malformed()
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.length)
  const end = LENGTH_BYTES + bytes.readUInt32BE(0)
  if (end === LENGTH_BYTES) return undefined
  if (end > bytes.length) throw malformed()
  return { text: bytes.toString('latin1', LENGTH_BYTES, end), content: bytes.subarray(end) }
}

/** The head that a body begins with, and what of the content has come with it; the rest is still in the body.
 *  @throws INVALID_ARGUMENT; what the body throws */
export async function headInBody(
  body: AsyncIterableIterator<Buffer>,
): Promise<{ readonly text: string; readonly content: Buffer }> {
  let bytes: Buffer = NO_BYTES
  for (let neededBytes = LENGTH_BYTES; bytes.length < neededBytes;) {
    const piece = await body.next()
    if (piece.done === true) throw malformed()
    bytes = bytes.length === 0 ? piece.value : Buffer.concat([bytes, piece.value])
    if (bytes.length >= LENGTH_BYTES) neededBytes = LENGTH_BYTES + bytes.readUInt32BE(0)
    if (neededBytes > HEAD_BYTES_MAX) throw malformed()
  }
  const end = LENGTH_BYTES + bytes.readUInt32BE(0)
  return { text: bytes.toString('latin1', LENGTH_BYTES, end), content: bytes.subarray(end) }
}

function malformed(): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', 'The head of a forwarded request or of its answer makes no sense')
}
