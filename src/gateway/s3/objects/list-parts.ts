import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { S3_NAMESPACE, type S3Operation } from '../operation.ts'
import { s3Timestamp } from '../s3-timestamp.ts'
import { checksumElement } from './checksum.ts'
import { openBucket } from './find-object.ts'
import { findUpload } from './find-upload.ts'
import { MAX_KEYS, writeOwner } from './listing.ts'
import { STANDARD_CLASS } from './object-headers.ts'

export const listParts: S3Operation = {
  name: 'ListParts',
  method: 'GET',
  where: 'object',
  markers: ['uploadId'],
  async handle(call) {
    const { query } = call
    const objects = await openBucket(call)
    const limit = Math.min(query.integer('max-parts', { min: 0, max: 2 ** 31 - 1 }) ?? MAX_KEYS, MAX_KEYS)
    const marker = query.integer('part-number-marker', { min: 0, max: 2 ** 31 - 1 }) ?? 0
    const upload = await findUpload(call, objects)
    const behind = (await objects.listParts(upload)).filter(({ number }) => number > marker)
    const page = behind.slice(0, limit)
    const xml = new XmlWriter('ListPartsResult', { xmlns: S3_NAMESPACE })
    xml.leaf('Bucket', call.bucket).leaf('Key', call.key).leaf('UploadId', upload.id)
    xml.leaf('PartNumberMarker', marker).leaf('NextPartNumberMarker', page.at(-1)?.number ?? marker)
    xml.leaf('MaxParts', limit).leaf('IsTruncated', limit > 0 && page.length < behind.length)
    for (const { number, modifiedNs, etag, sizeBytes, checksum } of page) {
      xml.start('Part').leaf('PartNumber', number).leaf('LastModified', s3Timestamp(modifiedNs))
      xml.leaf('ETag', `"${etag}"`).leaf('Size', sizeBytes)
      if (checksum !== undefined) xml.leaf(checksumElement(checksum.algorithm), checksum.value)
      xml.end()
    }
    writeOwner(xml, upload.owner, 'Initiator')
    writeOwner(xml, upload.properties.owner ?? objects.info.owner)
    xml.leaf('StorageClass', upload.properties.storageClass ?? STANDARD_CLASS)
    xml.leaf('ChecksumAlgorithm', upload.checksum?.algorithm).leaf('ChecksumType', upload.checksum?.type)
    call.sendXml(200, xml)
  },
}
