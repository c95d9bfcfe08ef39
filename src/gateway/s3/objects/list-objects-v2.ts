import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { listedOwner } from '../access/listed-owner.ts'
import { S3_NAMESPACE, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { openBucket } from './find-object.ts'
import { readListing, writeCommonPrefix, writeObject, writeOwner } from './listing.ts'

export const listObjectsV2: S3Operation = {
  name: 'ListObjectsV2',
  method: 'GET',
  where: 'bucket',
  markers: ['list-type=2'],
  async handle(call) {
    const { query } = call
    const objects = await openBucket(call)
    const { prefix, delimiter, limit, encode, encodingType } = readListing(call, 'max-keys')
    const token = query.get('continuation-token')
    const startAfter = query.get('start-after') ?? ''
    const after = token === undefined || token === '' ? startAfter : decodeToken(token)
    const { items, isTruncated } = await objects.list({ prefix, delimiter, limit, after: after === '' ? undefined : after })
    const xml = new XmlWriter('ListBucketResult', { xmlns: S3_NAMESPACE })
    xml.leaf('Name', call.bucket).leaf('Prefix', encode(prefix)).leaf('MaxKeys', limit).leaf('KeyCount', items.length)
    if (delimiter !== '') xml.leaf('Delimiter', encode(delimiter))
    xml.leaf('EncodingType', encodingType).leaf('IsTruncated', isTruncated)
    xml.leaf('ContinuationToken', token)
    if (startAfter !== '') xml.leaf('StartAfter', encode(startAfter))
    const last = items.at(-1)
    if (isTruncated && last !== undefined)
      xml.leaf('NextContinuationToken', encodeToken('key' in last ? last.key : last.commonPrefix))
    const hasOwner = query.get('fetch-owner')?.toLowerCase() === 'true'
    const ownerOf = await listedOwner(call)
    for (const item of items) {
      if ('commonPrefix' in item) continue
      xml.start('Contents').leaf('Key', encode(item.key))
      writeObject(xml, item)
      if (hasOwner) writeOwner(xml, ownerOf(item))
      xml.end()
    }
    for (const item of items) if ('commonPrefix' in item) writeCommonPrefix(xml, encode(item.commonPrefix))
    call.sendXml(200, xml)
  },
}

/** The last name of the page before; opaque to clients. */
const encodeToken = (name: string): string => `1${Buffer.from(name).toString('base64url')}`

/** @throws InvalidArgument */
function decodeToken(token: string): string {
  const name = Buffer.from(token.slice(1), 'base64url').toString()
  if (name !== '' && encodeToken(name) === token) return name
  throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
    elements: { ArgumentName: 'continuation-token' },
  })
}
