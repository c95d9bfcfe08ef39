import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import {
  CHECKSUM_ALGORITHMS,
  type ObjectChecksum,
  type ObjectInfo,
  type ObjectPartInfo,
  type Objects,
  type ObjectUpload,
} from '#volume/objects.ts'
import { checkBroughtKey, describeEncryption } from '../encryption.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { announcedChecksum } from './checked-body.ts'
import { checksumElement, compareChecksums } from './checksum.ts'
import { checksumOfParts, tagOfParts } from './complete-checksum.ts'
import { writeCheck } from './conditions.ts'
import { namesVersions, openBucket } from './find-object.ts'
import { MAX_PARTS, noSuchUpload } from './find-upload.ts'

/** Amazon S3's limit: all parts but the last are at least so long. */
const MIN_PART_BYTES = 5 * 1024 * 1024
/** 10,000 parts with the longest checksums. */
const XML_LIMITS = { maxBytes: 4 * 1024 * 1024, maxElements: 8 * MAX_PARTS }

interface WantedPart {
  readonly number: number
  readonly etag: string
  /** By algorithm, in base64. */
  readonly checksums: ReadonlyMap<string, string>
}

export const completeMultipartUpload: S3Operation = {
  name: 'CompleteMultipartUpload',
  method: 'POST',
  where: 'object',
  isRemembered: true,
  markers: ['uploadId'],
  async handle(call) {
    const objects = await openBucket(call)
    const check = writeCheck(call.exchange.headers)
    const id = call.query.get('uploadId') ?? ''
    if (call.exchange.lengthBytes === 0) throw malformed()
    const wanted = readParts(await call.readXml('CompleteMultipartUpload', XML_LIMITS))
    const before = await objects.recall?.(call.key, call.caller)
    const upload = before === undefined ? await objects.findUpload(call.key, id) : undefined
    if (upload !== undefined) checkBroughtKey(call, objects, upload)
    const object =
      before !== undefined
        ? before
        : upload === undefined
          ? await findCompleted(call, objects, { id, wanted })
          : await objects.complete(upload, { caller: call.caller, check, ...(await judge(call, objects, { upload, wanted })) })
    const xml = new XmlWriter('CompleteMultipartUploadResult', { xmlns: S3_NAMESPACE })
    xml.leaf('Location', `${originOf(call)}/${call.bucket}/${encodeURI(call.key)}`)
    xml.leaf('Bucket', call.bucket).leaf('Key', call.key).leaf('ETag', `"${object.etag}"`)
    const { checksum } = object.properties
    if (checksum !== undefined) xml.leaf(checksumElement(checksum.algorithm), shownChecksum(checksum, object.parts))
    xml.leaf('ChecksumType', checksum?.type)
    const version = namesVersions(objects) ? ['x-amz-version-id', object.versionId] : []
    call.sendXml(200, xml, [...version, ...describeEncryption(call, object.properties.encryption)])
  },
}

const originOf = (call: S3Call): string => `http://${call.header('host') ?? ''}`

const shownChecksum = ({ type, value }: ObjectChecksum, parts: number): string =>
  type === 'COMPOSITE' ? `${value}-${parts}` : value

/** Whoever completes an upload once more, since the answer was lost, gets it again. @throws NoSuchUpload */
async function findCompleted(
  call: S3Call,
  objects: Objects,
  { id, wanted }: { id: string; wanted: readonly WantedPart[] },
): Promise<ObjectInfo> {
  const found = await objects.find(call.key)
  const object = found !== undefined && 'object' in found ? found.object : undefined
  if (object === undefined || id === '' || object.properties.upload !== id) throw noSuchUpload(id)
  if (tagOfParts(wanted.map(({ etag }) => etag)) !== object.etag) throw noSuchUpload(id)
  return object
}

/** @throws InvalidPart, InvalidPartOrder, EntityTooSmall, BadDigest, InvalidRequest */
async function judge(
  call: S3Call,
  objects: Objects,
  { upload, wanted }: { upload: ObjectUpload; wanted: readonly WantedPart[] },
): Promise<{ parts: readonly ObjectPartInfo[]; checksum: ObjectChecksum | undefined }> {
  const stored = new Map((await objects.listParts(upload)).map((part) => [part.number, part]))
  // Of a part sent more than once the one named last counts.
  const last = wanted.filter(({ number }, index) => wanted[index + 1]?.number !== number)
  const parts = last.map((part, index) => {
    if (index > 0 && part.number < (last[index - 1] as WantedPart).number) {
      throw new S3Error(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
        {
          elements: { UploadId: upload.id },
        },
      )
    }
    return matchingPart(part, stored.get(part.number), upload)
  })
  for (const { number, sizeBytes, etag } of parts.slice(0, -1)) {
    if (sizeBytes >= MIN_PART_BYTES) continue
    throw new S3Error('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
      elements: { ProposedSize: sizeBytes, MinSizeAllowed: MIN_PART_BYTES, PartNumber: number, ETag: etag },
    })
  }
  checkSize(call, parts)
  const checksum = checksumOfParts(upload, parts)
  checkAnnounced(call, checksum, parts.length)
  return { parts, checksum }
}

function matchingPart(wanted: WantedPart, stored: ObjectPartInfo | undefined, upload: ObjectUpload): ObjectPartInfo {
  const checksum = stored?.checksum
  const announced = checksum === undefined ? undefined : wanted.checksums.get(checksum.algorithm)
  if (stored !== undefined && stored.etag === wanted.etag && (announced === undefined || announced === checksum?.value))
    return stored
  throw new S3Error(
    'InvalidPart',
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    { elements: { UploadId: upload.id, PartNumber: wanted.number, ETag: wanted.etag.slice(0, 80) } },
  )
}

function checkSize(call: S3Call, parts: readonly ObjectPartInfo[]): void {
  const text = call.header('x-amz-mp-object-size')
  if (text === undefined) return
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  if (text.trim() === String(sizeBytes)) return
  throw new S3Error(
    'InvalidRequest',
    `The provided 'x-amz-mp-object-size' header value ${text.slice(0, 40)} does not match what was computed: ${sizeBytes}`,
  )
}

function checkAnnounced(call: S3Call, checksum: ObjectChecksum | undefined, count: number): void {
  const { headers } = call.exchange
  const type = call.header('x-amz-checksum-type')
  if (type !== undefined && checksum !== undefined && type.toUpperCase() !== checksum.type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${checksum.type} checksum mode. The complete request must use the same checksum mode.`,
    )
  }
  const composite = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      /^x-amz-checksum-(?:crc|sha)/.test(name) ? String(value).replace(/-\d+$/, '') : value,
    ]),
  )
  const announced = announcedChecksum(composite)
  if (announced?.value === undefined || checksum === undefined) return
  if (announced.algorithm !== checksum.algorithm)
    throw new S3Error(
      'InvalidRequest',
      `The upload has ${checksum.algorithm} checksums, of ${count} parts, and no ${announced.algorithm}`,
    )
  compareChecksums(checksum.algorithm, announced.value, Buffer.from(checksum.value, 'base64'))
}

function readParts(root: XmlElement): WantedPart[] {
  const parts = root.children.map((element): WantedPart => {
    if (element.name !== 'Part') throw malformed()
    const texts = new Map(element.children.map(({ name, text }) => [name, text.trim()]))
    const number = Number(/^\d{1,6}$/.exec(texts.get('PartNumber') ?? '')?.[0])
    const etag = texts.get('ETag')?.replace(/^"(.*)"$/, '$1')
    if (Number.isNaN(number) || etag === undefined) throw malformed()
    const checksums = new Map<string, string>()
    for (const algorithm of CHECKSUM_ALGORITHMS) {
      const value = texts.get(checksumElement(algorithm))
      if (value !== undefined) checksums.set(algorithm, value)
    }
    return { number, etag, checksums }
  })
  if (parts.length === 0 || parts.length > MAX_PARTS) throw malformed()
  return parts
}

function malformed(): S3Error {
  return new S3Error('MalformedXML', 'CompleteMultipartUpload is expected to have Parts with a PartNumber and an ETag each')
}
