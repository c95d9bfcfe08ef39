import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { ObjectInfo } from '#volume/objects.ts'
import { requireReadable } from '../encryption.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { checksumElement } from './checksum.ts'
import { findObject, isVersioned, openBucket, targetOf } from './find-object.ts'
import { lastModified, STANDARD_CLASS } from './object-headers.ts'

const ATTRIBUTES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const
type Attribute = (typeof ATTRIBUTES)[number]

const MAX_PARTS = 1_000

export const getObjectAttributes: S3Operation = {
  name: 'GetObjectAttributes',
  method: 'GET',
  where: 'object',
  markers: ['attributes'],
  async handle(call) {
    const wanted = readAttributes(call)
    const objects = await openBucket(call)
    const object = await findObject(objects, targetOf(call))
    requireReadable(call, { object, objects })
    const xml = new XmlWriter('GetObjectAttributesResponse', { xmlns: S3_NAMESPACE })
    if (wanted.has('ETag')) xml.leaf('ETag', object.etag)
    if (wanted.has('Checksum')) writeChecksum(xml, object)
    if (wanted.has('ObjectParts') && object.parts > 0) writeParts(xml, call, object)
    if (wanted.has('StorageClass')) xml.leaf('StorageClass', object.storageClass ?? STANDARD_CLASS)
    if (wanted.has('ObjectSize')) xml.leaf('ObjectSize', object.sizeBytes)
    const headers = ['Last-Modified', lastModified(object)]
    if (isVersioned(objects)) headers.push('x-amz-version-id', object.versionId)
    call.sendXml(200, xml, headers)
  },
}

function readAttributes(call: S3Call): Set<Attribute> {
  const header = call.header('x-amz-object-attributes') ?? ''
  const names = header.split(',').map((name) => name.trim())
  const wanted = new Set<Attribute>()
  for (const name of names) {
    const attribute = ATTRIBUTES.find((each) => each === name)
    if (attribute === undefined)
      throw new S3Error('InvalidArgument', `Invalid attribute name specified: "${name.slice(0, 40)}"`, {
        elements: { ArgumentName: 'x-amz-object-attributes' },
      })
    wanted.add(attribute)
  }
  return wanted
}

function writeChecksum(xml: XmlWriter, { properties, parts }: ObjectInfo): void {
  const { checksum } = properties
  if (checksum === undefined) return
  const value = checksum.type === 'COMPOSITE' ? `${checksum.value}-${parts}` : checksum.value
  xml.start('Checksum').leaf(checksumElement(checksum.algorithm), value).leaf('ChecksumType', checksum.type).end()
}

function writeParts(xml: XmlWriter, call: S3Call, { properties, parts }: ObjectInfo): void {
  const { checksum, partSizes = [] } = properties
  const marker = readNumber(call, 'x-amz-part-number-marker') ?? 0
  const limit = Math.min(readNumber(call, 'x-amz-max-parts') ?? MAX_PARTS, MAX_PARTS)
  const sizes = partSizes.flatMap(([count, sizeBytes]) => Array.from({ length: count }, () => sizeBytes))
  const page = sizes.slice(marker, marker + limit)
  xml.start('ObjectParts').leaf('PartsCount', parts).leaf('PartNumberMarker', marker)
  xml.leaf('NextPartNumberMarker', marker + page.length).leaf('MaxParts', limit)
  xml.leaf('IsTruncated', marker + page.length < sizes.length)
  const values = Buffer.from(checksum?.parts ?? '', 'base64')
  const lengthBytes = values.length / Math.max(1, sizes.length)
  for (const [index, sizeBytes] of page.entries()) {
    const at = (marker + index) * lengthBytes
    xml.start('Part').leaf('PartNumber', marker + index + 1)
    xml.leaf('Size', sizeBytes)
    if (checksum !== undefined && lengthBytes > 0)
      xml.leaf(checksumElement(checksum.algorithm), values.subarray(at, at + lengthBytes).toString('base64'))
    xml.end()
  }
  xml.end()
}

function readNumber(call: S3Call, name: string): number | undefined {
  const text = call.header(name)
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new S3Error('InvalidArgument', `The header ${name} is not a number: "${text.slice(0, 40)}"`)
  return Number(text)
}
