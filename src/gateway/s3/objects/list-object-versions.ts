import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { listedOwner } from '../access/listed-owner.ts'
import { S3_NAMESPACE, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { s3Timestamp } from '../s3-timestamp.ts'
import { openBucket } from './find-object.ts'
import { readListing, writeCommonPrefix, writeObject, writeOwner } from './listing.ts'

export const listObjectVersions: S3Operation = {
  name: 'ListObjectVersions',
  method: 'GET',
  where: 'bucket',
  markers: ['versions'],
  async handle(call) {
    const { query } = call
    const objects = await openBucket(call)
    const { prefix, delimiter, limit, encode, encodingType } = readListing(call, 'max-keys')
    const keyMarker = query.get('key-marker') ?? ''
    const versionMarker = query.get('version-id-marker') ?? ''
    if (versionMarker !== '' && keyMarker === '') {
      throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.', {
        elements: { ArgumentName: 'version-id-marker', ArgumentValue: versionMarker.slice(0, 80) },
      })
    }
    const { items, isTruncated } = await objects.listVersions({
      prefix,
      delimiter,
      limit,
      after: keyMarker === '' ? undefined : keyMarker,
      afterVersion: versionMarker === '' ? undefined : versionMarker,
    })
    const xml = new XmlWriter('ListVersionsResult', { xmlns: S3_NAMESPACE })
    xml.leaf('Name', call.bucket).leaf('Prefix', encode(prefix)).leaf('KeyMarker', encode(keyMarker))
    xml.leaf('VersionIdMarker', versionMarker).leaf('MaxKeys', limit)
    if (delimiter !== '') xml.leaf('Delimiter', encode(delimiter))
    xml.leaf('EncodingType', encodingType).leaf('IsTruncated', isTruncated)
    const last = items.at(-1)
    if (isTruncated && last !== undefined) {
      if ('commonPrefix' in last) xml.leaf('NextKeyMarker', encode(last.commonPrefix))
      else {
        const { key, versionId } = 'object' in last ? last.object : last.marker
        xml.leaf('NextKeyMarker', encode(key)).leaf('NextVersionIdMarker', versionId)
      }
    }
    const ownerOf = await listedOwner(call)
    for (const item of items) {
      if ('commonPrefix' in item) continue
      const { key, versionId, isLatest, modifiedNs } = 'object' in item ? item.object : item.marker
      xml.start('object' in item ? 'Version' : 'DeleteMarker')
      xml.leaf('Key', encode(key)).leaf('VersionId', versionId).leaf('IsLatest', isLatest)
      if ('object' in item) writeObject(xml, item.object)
      else xml.leaf('LastModified', s3Timestamp(modifiedNs))
      writeOwner(xml, 'object' in item ? ownerOf(item.object) : objects.info.owner)
      xml.end()
    }
    for (const item of items) if ('commonPrefix' in item) writeCommonPrefix(xml, encode(item.commonPrefix))
    call.sendXml(200, xml)
  },
}
