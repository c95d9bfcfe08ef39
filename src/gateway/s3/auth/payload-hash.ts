import { hash } from 'node:crypto'
import { S3Error } from '../s3-error.ts'

/** How a request's payload comes, as x-amz-content-sha256 says. */
export type PayloadForm =
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'sha256'; readonly sha256: Buffer }
  /** In chunks (`aws-chunked`), each with its signature or not, with trailers or not. */
  | { readonly kind: 'chunks'; readonly signed: boolean; readonly trailer: boolean }

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

const FORMS: ReadonlyMap<string, PayloadForm> = new Map<string, PayloadForm>([
  [UNSIGNED_PAYLOAD, { kind: 'unsigned' }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'chunks', signed: true, trailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'chunks', signed: true, trailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'chunks', signed: false, trailer: true }],
  // Of every request without a payload that a client signs in its headers.
  [hash('sha256', ''), { kind: 'sha256', sha256: hash('sha256', '', 'buffer') }],
])

/** @throws InvalidArgument, NotImplemented for asymmetric signatures */
export function parsePayloadHash(text: string): PayloadForm {
  const form = FORMS.get(text)
  if (form !== undefined) return form
  if (/^[0-9a-fA-F]{64}$/.test(text)) return { kind: 'sha256', sha256: Buffer.from(text, 'hex') }
  if (text.startsWith('STREAMING-AWS4-ECDSA'))
    throw new S3Error('NotImplemented', 'Signatures of version 4A (ECDSA) are not implemented here: sign with AWS4-HMAC-SHA256')
  throw new S3Error(
    'InvalidArgument',
    `x-amz-content-sha256 is "${text.slice(0, 80)}": UNSIGNED-PAYLOAD, a STREAMING-… form or 64 hexadecimal characters are expected`,
    { elements: { ArgumentName: 'x-amz-content-sha256', ArgumentValue: text.slice(0, 80) } },
  )
}
