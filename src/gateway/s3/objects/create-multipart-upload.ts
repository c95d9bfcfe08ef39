import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { UploadStart } from '#volume/objects.ts'
import { writtenProperties } from '../access/written-properties.ts'
import { chooseEncryption, describeEncryption } from '../encryption.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { parseAlgorithm } from './checksum.ts'
import { openBucket } from './find-object.ts'
import { readProperties } from './object-headers.ts'

export const createMultipartUpload: S3Operation = {
  name: 'CreateMultipartUpload',
  method: 'POST',
  where: 'object',
  isRemembered: true,
  markers: ['uploads'],
  async handle(call) {
    const objects = await openBucket(call)
    const { settings } = await call.services.volumes.openBucket(call.bucket)
    const encryption = chooseEncryption((name) => call.header(name), settings, objects)
    const properties = { ...readProperties(call.exchange.headers), ...(await writtenProperties(call)), ...encryption.properties }
    const checksum = readChecksum(call)
    const upload = await objects.beginUpload(call.key, { caller: call.caller, properties, checksum })
    const xml = new XmlWriter('InitiateMultipartUploadResult', { xmlns: S3_NAMESPACE })
    xml.leaf('Bucket', call.bucket).leaf('Key', call.key).leaf('UploadId', upload.id)
    const headers =
      checksum === undefined ? [] : ['x-amz-checksum-algorithm', checksum.algorithm, 'x-amz-checksum-type', checksum.type]
    headers.push(...describeEncryption(call, properties.encryption))
    call.sendXml(200, xml, headers)
  },
}

/** Which types an algorithm can have, its own first: the checksums of parts make one of the whole for CRCs only. */
const TYPES = {
  CRC32: ['COMPOSITE', 'FULL_OBJECT'],
  CRC32C: ['COMPOSITE', 'FULL_OBJECT'],
  CRC64NVME: ['FULL_OBJECT'],
  SHA1: ['COMPOSITE'],
  SHA256: ['COMPOSITE'],
} as const

function readChecksum(call: S3Call): UploadStart['checksum'] {
  const name = call.header('x-amz-checksum-algorithm')
  const type = call.header('x-amz-checksum-type')
  if (name === undefined) {
    if (type === undefined) return undefined
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    )
  }
  const algorithm = parseAlgorithm(name)
  const types: readonly ('COMPOSITE' | 'FULL_OBJECT')[] = TYPES[algorithm]
  const own = types.find((each) => type === undefined || each === type.toUpperCase())
  if (own === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `The ${String(type).slice(0, 40)} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    )
  }
  return { algorithm, type: own }
}
