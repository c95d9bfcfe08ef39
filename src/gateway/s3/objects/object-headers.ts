// What headers say of an object that is to be made, and what headers say of one that is there.

import type { ObjectInfo, ObjectProperties } from '#volume/objects.ts'
import { formatHttpDate } from '#gateway/http/http-date.ts'
import { S3Error } from '../s3-error.ts'
import { checksumHeader } from './checksum.ts'
import { parseTagging } from './tag-set.ts'

/** Amazon S3's limit for user metadata: the bytes of all names and values. */
const MAX_METADATA_BYTES = 2 * 1024
const MAX_HEADER_BYTES = 8 * 1024
const METADATA_PREFIX = 'x-amz-meta-'

export const DEFAULT_CONTENT_TYPE = 'binary/octet-stream'
export const STANDARD_CLASS = 'STANDARD'

/** Accepted and echoed: all objects are kept alike. */
const STORAGE_CLASSES = new Set([
  STANDARD_CLASS,
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'GLACIER_IR',
  'SNOW',
  'EXPRESS_ONEZONE',
])

export type Headers = Readonly<Record<string, string | string[] | undefined>>

export function headerText(headers: Headers, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(',') : value
}

const PLAIN = {
  contentType: 'content-type',
  cacheControl: 'cache-control',
  contentDisposition: 'content-disposition',
  contentLanguage: 'content-language',
  expires: 'expires',
} as const

/** What a copy with `x-amz-metadata-directive: REPLACE` replaces.
 *  @throws MetadataTooLarge, InvalidStorageClass, InvalidTag */
export function readMetadata(headers: Headers): ObjectProperties {
  const properties: Record<string, unknown> = {}
  for (const [field, name] of Object.entries(PLAIN)) {
    const value = headerText(headers, name)
    if (value === undefined || value === '') continue
    if (value.length > MAX_HEADER_BYTES) throw new S3Error('MetadataTooLarge', `The header ${name} is too long`)
    properties[field] = value
  }
  const encoding = contentEncoding(headerText(headers, 'content-encoding'))
  if (encoding !== undefined) properties['contentEncoding'] = encoding
  const metadata = userMetadata(headers)
  if (metadata !== undefined) properties['metadata'] = metadata
  const redirect = headerText(headers, 'x-amz-website-redirect-location')
  if (redirect !== undefined) properties['redirect'] = checkRedirect(redirect)
  return properties
}

/** All that a request to make an object says of it, but for what is computed from its contents. */
export function readProperties(headers: Headers): ObjectProperties {
  const tagging = headerText(headers, 'x-amz-tagging')
  const tags = tagging === undefined ? [] : parseTagging(tagging)
  return { ...readMetadata(headers), ...readStorageClass(headers), ...(tags.length === 0 ? {} : { tags }) }
}

export function readStorageClass(headers: Headers): Pick<ObjectProperties, 'storageClass'> {
  const storageClass = headerText(headers, 'x-amz-storage-class')
  if (storageClass === undefined || storageClass === STANDARD_CLASS) return {}
  if (!STORAGE_CLASSES.has(storageClass))
    throw new S3Error('InvalidStorageClass', `The storage class you specified is not valid: "${storageClass.slice(0, 40)}"`)
  return { storageClass }
}

/** `aws-chunked` is of the request alone. */
function contentEncoding(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const codings = value.split(',').map((coding) => coding.trim())
  const kept = codings.filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked')
  return kept.length === 0 ? undefined : kept.join(', ')
}

function userMetadata(headers: Headers): Record<string, string> | undefined {
  let found: Record<string, string> | undefined
  let sizeBytes = 0
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(METADATA_PREFIX)) continue
    const value = headerText(headers, name) ?? ''
    const key = name.slice(METADATA_PREFIX.length)
    sizeBytes += key.length + value.length
    found ??= {}
    found[key] = value
  }
  if (sizeBytes > MAX_METADATA_BYTES) {
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      elements: { Size: sizeBytes, MaxSizeAllowed: MAX_METADATA_BYTES },
    })
  }
  return found
}

function checkRedirect(value: string): string {
  if (!/^(?:\/|https?:\/\/)/.test(value) || value.length > 2_048)
    throw new S3Error('InvalidArgument', 'x-amz-website-redirect-location must begin with "/", "http://" or "https://"')
  return value
}

/** A query parameter that stands in for a header of the answer: `response-content-type`. */
export type Overrides = (name: string) => string | undefined

/** Headers of GET and HEAD that tell of the object, names and values in turn; `override` may replace some, where it is given. */
export function describeObject(
  object: ObjectInfo,
  { isVersioned, override }: { isVersioned: boolean; override: Overrides | undefined },
): string[] {
  const { properties, etag } = object
  const headers = ['Accept-Ranges', 'bytes', 'ETag', `"${etag}"`, 'Last-Modified', lastModified(object)]
  const plain = (header: string, value: string | undefined): void => {
    const shown = override?.(`response-${header.toLowerCase()}`) ?? value
    if (shown !== undefined) headers.push(header, shown)
  }
  plain('Content-Type', properties.contentType ?? DEFAULT_CONTENT_TYPE)
  plain('Cache-Control', properties.cacheControl)
  plain('Content-Disposition', properties.contentDisposition)
  plain('Content-Encoding', properties.contentEncoding)
  plain('Content-Language', properties.contentLanguage)
  plain('Expires', properties.expires)
  if (isVersioned) headers.push('x-amz-version-id', object.versionId)
  if (object.storageClass !== undefined) headers.push('x-amz-storage-class', object.storageClass)
  for (const [name, value] of Object.entries(properties.metadata ?? {})) headers.push(METADATA_PREFIX + name, value)
  const { tags, redirect, retention, legalHold } = properties
  if (tags !== undefined && tags.length > 0) headers.push('x-amz-tagging-count', String(tags.length))
  if (redirect !== undefined) headers.push('x-amz-website-redirect-location', redirect)
  if (retention !== undefined) {
    headers.push('x-amz-object-lock-mode', retention.mode)
    headers.push('x-amz-object-lock-retain-until-date', new Date(retention.untilMs).toISOString())
  }
  if (legalHold !== undefined) headers.push('x-amz-object-lock-legal-hold', legalHold ? 'ON' : 'OFF')
  return headers
}

export function lastModified({ modifiedNs }: Pick<ObjectInfo, 'modifiedNs'>): string {
  return formatHttpDate(Number(modifiedNs / 1_000_000n))
}

/** Headers that tell the checksum of an object, or of a part that it was uploaded in. */
export function describeChecksum({ properties, parts }: ObjectInfo, part?: number): string[] {
  const { checksum } = properties
  if (checksum === undefined) return []
  if (part !== undefined && checksum.parts !== undefined) {
    const own = Buffer.from(checksum.parts, 'base64')
    const lengthBytes = own.length / parts
    const ofPart = own.subarray((part - 1) * lengthBytes, part * lengthBytes).toString('base64')
    return [checksumHeader(checksum.algorithm), ofPart, 'x-amz-checksum-type', checksum.type]
  }
  const value = checksum.type === 'COMPOSITE' ? `${checksum.value}-${parts}` : checksum.value
  return [checksumHeader(checksum.algorithm), value, 'x-amz-checksum-type', checksum.type]
}
