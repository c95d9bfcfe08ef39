import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { listedOwner } from '../access/listed-owner.ts'
import { S3_NAMESPACE, type S3Operation } from '../operation.ts'
import { openBucket } from './find-object.ts'
import { readListing, writeCommonPrefix, writeObject, writeOwner } from './listing.ts'

export const listObjects: S3Operation = {
  name: 'ListObjects',
  method: 'GET',
  where: 'bucket',
  async handle(call) {
    const objects = await openBucket(call)
    const { prefix, delimiter, limit, encode, encodingType } = readListing(call, 'max-keys')
    const marker = call.query.get('marker') ?? ''
    const { items, isTruncated } = await objects.list({ prefix, delimiter, limit, after: marker === '' ? undefined : marker })
    const xml = new XmlWriter('ListBucketResult', { xmlns: S3_NAMESPACE })
    // S3's own clients decode every name of this document but the prefix.
    xml
      .leaf('Name', call.bucket)
      .leaf('Prefix', isXmlText(prefix) ? prefix : encode(prefix))
      .leaf('Marker', encode(marker))
      .leaf('MaxKeys', limit)
    if (delimiter !== '') xml.leaf('Delimiter', encode(delimiter))
    xml.leaf('EncodingType', encodingType).leaf('IsTruncated', isTruncated)
    const last = items.at(-1)
    if (isTruncated && last !== undefined) xml.leaf('NextMarker', encode('key' in last ? last.key : last.commonPrefix))
    const ownerOf = await listedOwner(call)
    for (const item of items) {
      if ('commonPrefix' in item) continue
      xml.start('Contents').leaf('Key', encode(item.key))
      writeObject(xml, item)
      writeOwner(xml, ownerOf(item))
      xml.end()
    }
    for (const item of items) if ('commonPrefix' in item) writeCommonPrefix(xml, encode(item.commonPrefix))
    call.sendXml(200, xml)
  },
}

// eslint-disable-next-line no-control-regex
const isXmlText = (text: string): boolean => text.isWellFormed() && !/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/.test(text)
