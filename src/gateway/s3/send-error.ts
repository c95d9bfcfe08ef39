import type { ShoalError } from '#foundation/errors.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { addRequestIds } from './request-call.ts'
import { S3_STATUS, S3Error, s3CodeOf } from './s3-error.ts'

const RESOURCE_MAX = 2_048

/** Answers with an error in S3's form; without a body to HEAD, and to a condition that says "not modified". */
export function sendError(exchange: Exchange, error: ShoalError): void {
  const code = s3CodeOf(error)
  const status = S3_STATUS[code]
  const headers: string[] = []
  addRequestIds(exchange, headers)
  if (error instanceof S3Error) headers.push(...error.headers)
  const sizeBytes = error.details['sizeBytes']
  if (code === 'InvalidRange' && sizeBytes !== undefined) headers.push('Content-Range', `bytes */${String(sizeBytes)}`)
  if (code === 'SlowDown') headers.push('Retry-After', '1')
  // A sender that stalled or broke off can't be followed by a further request.
  if (error.code === 'TIMEOUT' || error.code === 'INCOMPLETE_BODY') exchange.mustClose = true
  if (exchange.method === 'HEAD' || status === 304) {
    exchange.send(status, headers)
    return
  }
  headers.push('Content-Type', 'application/xml')
  const xml = new XmlWriter('Error').leaf('Code', code).leaf('Message', error.message)
  if (error instanceof S3Error) for (const [name, value] of Object.entries(error.elements)) xml.leaf(name, value)
  const volume = error.details['volume']
  if (code === 'NoSuchBucket' && typeof volume === 'string') xml.leaf('BucketName', volume)
  xml.leaf('Resource', exchange.path.slice(0, RESOURCE_MAX)).leaf('RequestId', exchange.id).leaf('HostId', exchange.id)
  exchange.send(status, headers, xml.finish())
}
