import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { ByteRange } from '#gateway/http/ranges.ts'
import type { ObjectPartInfo, OpenObject } from '#volume/objects.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { s3Timestamp } from '../s3-timestamp.ts'
import { checksumElement, createChecksum } from './checksum.ts'
import { describeEncryption, keyOfUpload } from '../encryption.ts'
import { openCopySource, readCopySource } from './copy-source.ts'
import { isVersioned, openBucket } from './find-object.ts'
import { findUpload, readPartNumber } from './find-upload.ts'
import { MAX_SINGLE_BYTES } from './store-object.ts'

export const uploadPartCopy: S3Operation = {
  name: 'UploadPartCopy',
  method: 'PUT',
  where: 'object',
  markers: ['partNumber', 'uploadId'],
  header: 'x-amz-copy-source',
  async handle(call) {
    const number = readPartNumber(call)
    const source = readCopySource(call)
    const objects = await openBucket(call)
    const upload = await findUpload(call, objects)
    const key = keyOfUpload(call, objects, upload)
    const open = await openCopySource(call, source)
    try {
      const { offset, length } = readRange(call, open)
      const hash = upload.checksum === undefined ? undefined : createChecksum(upload.checksum.algorithm)
      const checksum = (): ObjectPartInfo['checksum'] =>
        upload.checksum === undefined || hash === undefined
          ? undefined
          : { algorithm: upload.checksum.algorithm, value: hash.digest().toString('base64') }
      const part = await objects.copyPart(upload, open, {
        caller: call.caller,
        number,
        offset,
        length,
        checksum,
        key,
        onBytes: (bytes) => hash?.update(bytes),
        signal: call.exchange.signal,
      })
      const xml = new XmlWriter('CopyPartResult', { xmlns: S3_NAMESPACE })
      xml.leaf('ETag', `"${part.etag}"`).leaf('LastModified', s3Timestamp(part.modifiedNs))
      if (part.checksum !== undefined) xml.leaf(checksumElement(part.checksum.algorithm), part.checksum.value)
      const hasVersions = isVersioned(objects) && open.object.versionId !== 'null'
      const version = hasVersions ? ['x-amz-copy-source-version-id', open.object.versionId] : []
      call.sendXml(200, xml, [...version, ...describeEncryption(call, upload.properties.encryption)])
    } finally {
      open.file.close()
    }
  },
}

function readRange(call: S3Call, { object }: OpenObject): ByteRange {
  const header = call.header('x-amz-copy-source-range')
  const { sizeBytes } = object
  if (header === undefined) return checkLength({ offset: 0, length: sizeBytes })
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header)
  const [first, last] = [Number(match?.[1]), Number(match?.[2])]
  if (match === null || last < first) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      { elements: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header.slice(0, 80) } },
    )
  }
  if (last >= sizeBytes) {
    throw new S3Error('InvalidRange', `Range specified is not valid for source object of size: ${sizeBytes}`, {
      elements: { RangeRequested: header.slice(0, 80), ActualObjectSize: sizeBytes },
    })
  }
  return checkLength({ offset: first, length: last - first + 1 })
}

function checkLength(range: ByteRange): ByteRange {
  if (range.length > MAX_SINGLE_BYTES)
    throw new S3Error('InvalidRequest', 'The specified copy source is larger than the maximum allowable size for a copy source')
  return range
}
