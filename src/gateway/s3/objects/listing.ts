// What the listings of a bucket have in common: their parameters, and how names are written.

import { escapeXml } from '#gateway/xml/write-xml.ts'
import type { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { ObjectInfo } from '#volume/objects.ts'
import type { S3Call } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { ownerId } from '../owner.ts'
import { s3Timestamp } from '../s3-timestamp.ts'
import { STANDARD_CLASS } from './object-headers.ts'

/** However many are asked for, a page has so many at most. */
export const MAX_KEYS = 1_000

export interface ListingParameters {
  readonly prefix: string
  readonly delimiter: string
  readonly limit: number
  /** Writes a name as the client asked for it. */
  readonly encode: (name: string) => string
  readonly encodingType: string | undefined
}

/** `limitName` is the parameter that bounds the page. @throws InvalidArgument */
export function readListing(call: S3Call, limitName: string): ListingParameters {
  const { query } = call
  const asked = query.integer(limitName, { min: 0, max: 2 ** 31 - 1 }) ?? MAX_KEYS
  if (query.get('allow-unordered')?.toLowerCase() === 'true' && query.has('delimiter'))
    throw new S3Error('InvalidArgument', 'A listing with a delimiter is ordered: allow-unordered cannot be asked for with it')
  const encodingType = query.get('encoding-type')
  if (encodingType !== undefined && encodingType.toLowerCase() !== 'url') {
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request: only "url" is known', {
      elements: { ArgumentName: 'encoding-type', ArgumentValue: encodingType.slice(0, 40) },
    })
  }
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    limit: Math.min(asked, MAX_KEYS),
    encode: encodingType === undefined ? (name) => name : encodeName,
    encodingType,
  }
}

const PLAIN = /^[A-Za-z0-9\-_.~/]*$/

/** S3's URL encoding: everything but letters, digits, `-_.~` and the slash. */
function encodeName(name: string): string {
  if (PLAIN.test(name)) return name
  const escaped = name.isWellFormed() ? encodeURIComponent(name) : ''
  return escaped.replaceAll('%2F', '/').replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)
}

export function writeOwner(xml: XmlWriter, owner: string, element = 'Owner'): void {
  xml.start(element).leaf('ID', ownerId(owner)).leaf('DisplayName', owner).end()
}

/** The elements of an object that all listings have, behind its key; in one piece, since pages have a thousand of them. */
export function writeObject(xml: XmlWriter, object: ObjectInfo): void {
  const { storageClass = STANDARD_CLASS } = object
  xml.markup(
    `<LastModified>${s3Timestamp(object.modifiedNs)}</LastModified><ETag>&quot;${object.etag}&quot;</ETag><Size>${object.sizeBytes}</Size><StorageClass>${escapeXml(storageClass)}</StorageClass>`,
  )
}

export function writeCommonPrefix(xml: XmlWriter, prefix: string): void {
  xml.start('CommonPrefixes').leaf('Prefix', prefix).end()
}
