import { encodeName } from '#foundation/name.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { ObjectUpload } from '#volume/objects.ts'
import { S3_NAMESPACE, type S3Operation } from '../operation.ts'
import { s3Timestamp } from '../s3-timestamp.ts'
import { openBucket } from './find-object.ts'
import { type ListingParameters, readListing, writeCommonPrefix, writeOwner } from './listing.ts'
import { STANDARD_CLASS } from './object-headers.ts'

export const listMultipartUploads: S3Operation = {
  name: 'ListMultipartUploads',
  method: 'GET',
  where: 'bucket',
  markers: ['uploads'],
  async handle(call) {
    const { query } = call
    const objects = await openBucket(call)
    const parameters = readListing(call, 'max-uploads')
    const { prefix, delimiter, limit, encode, encodingType } = parameters
    const keyMarker = query.get('key-marker') ?? ''
    const idMarker = keyMarker === '' ? '' : (query.get('upload-id-marker') ?? '')
    const uploads = await objects.listUploads(prefix)
    const { items, isTruncated } = pageOf(uploads, parameters, { key: keyMarker, id: idMarker })
    const xml = new XmlWriter('ListMultipartUploadsResult', { xmlns: S3_NAMESPACE })
    xml.leaf('Bucket', call.bucket).leaf('KeyMarker', encode(keyMarker)).leaf('UploadIdMarker', idMarker)
    xml.leaf('Prefix', encode(prefix))
    if (delimiter !== '') xml.leaf('Delimiter', encode(delimiter))
    xml.leaf('EncodingType', encodingType).leaf('MaxUploads', limit).leaf('IsTruncated', isTruncated)
    const last = items.at(-1)
    if (isTruncated && last !== undefined) {
      xml.leaf('NextKeyMarker', encode('id' in last ? last.key : last.commonPrefix))
      if ('id' in last) xml.leaf('NextUploadIdMarker', last.id)
    }
    for (const item of items) {
      if (!('id' in item)) continue
      xml.start('Upload').leaf('Key', encode(item.key)).leaf('UploadId', item.id)
      writeOwner(xml, item.owner, 'Initiator')
      writeOwner(xml, item.properties.owner ?? objects.info.owner)
      xml.leaf('StorageClass', item.properties.storageClass ?? STANDARD_CLASS).leaf('Initiated', s3Timestamp(item.startedNs))
      xml.leaf('ChecksumAlgorithm', item.checksum?.algorithm).leaf('ChecksumType', item.checksum?.type).end()
    }
    for (const item of items) if ('commonPrefix' in item) writeCommonPrefix(xml, encode(item.commonPrefix))
    call.sendXml(200, xml)
  },
}

type Listed = ObjectUpload | { readonly commonPrefix: string }

/** `uploads` are ordered by key, then by when they began, which is how pages go on. */
function pageOf(
  uploads: readonly ObjectUpload[],
  { prefix, delimiter, limit }: ListingParameters,
  marker: { key: string; id: string },
): { items: Listed[]; isTruncated: boolean } {
  const items: Listed[] = []
  const markerBytes = encodeName(marker.key)
  let hasPassedId = false
  let group: string | undefined
  for (const upload of uploads) {
    const order = Buffer.compare(encodeName(upload.key), markerBytes)
    if (order < 0) continue
    if (order === 0) {
      const isBehind = hasPassedId && marker.id !== ''
      hasPassedId ||= upload.id === marker.id
      if (!isBehind) continue
    }
    const at = delimiter === '' ? -1 : upload.key.indexOf(delimiter, prefix.length)
    const name = at < 0 ? undefined : upload.key.slice(0, at + delimiter.length)
    if (name !== undefined && (name === group || name === marker.key)) continue
    if (items.length === limit) return { items, isTruncated: limit > 0 }
    group = name
    items.push(name === undefined ? upload : { commonPrefix: name })
  }
  return { items, isTruncated: false }
}
