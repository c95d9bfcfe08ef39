import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { CopyOptions, ObjectInfo, ObjectProperties, Objects, OpenObject } from '#volume/objects.ts'
import { writtenProperties } from '../access/written-properties.ts'
import { chooseEncryption, describeEncryption } from '../encryption.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { s3Timestamp } from '../s3-timestamp.ts'
import { checksumElement, parseAlgorithm } from './checksum.ts'
import { checksumOf } from './read-checksum.ts'
import { writeCheck } from './conditions.ts'
import { type CopySource, openCopySource, readCopySource } from './copy-source.ts'
import { namesVersions, openBucket } from './find-object.ts'
import { readMetadata, readStorageClass } from './object-headers.ts'
import { MAX_SINGLE_BYTES } from './store-object.ts'
import { parseTagging } from './tag-set.ts'

export const copyObject: S3Operation = {
  name: 'CopyObject',
  method: 'PUT',
  where: 'object',
  isRemembered: true,
  header: 'x-amz-copy-source',
  async handle(call) {
    const source = readCopySource(call)
    const objects = await openBucket(call)
    const check = writeCheck(call.exchange.headers)
    const before = await objects.recall?.(call.key, call.caller)
    if (before !== undefined) return sendCopied(call, objects, before, source.versionId)
    const open = await openCopySource(call, source)
    try {
      const { object } = open
      if (object.sizeBytes > MAX_SINGLE_BYTES)
        throw new S3Error(
          'InvalidRequest',
          'The specified copy source is larger than the maximum allowable size for a copy source',
        )
      const { encryption, rewrite } = await encryptionOf(call, objects, open)
      const properties = { ...(await propertiesOf(call, { source, open })), ...encryption }
      const copied = await objects.copy(open, call.key, { caller: call.caller, properties, check, rewrite })
      const isNamed = source.versionId !== undefined || object.versionId !== 'null'
      sendCopied(call, objects, copied, isNamed ? object.versionId : undefined)
    } finally {
      open.file.close()
    }
  },
}

/** Of a copy that was made before the source's version is told where the request names it: the source itself may be gone. */
function sendCopied(call: S3Call, objects: Objects, copied: ObjectInfo, sourceVersion: string | undefined): void {
  const headers = sourceVersion === undefined ? [] : ['x-amz-copy-source-version-id', sourceVersion]
  if (namesVersions(objects)) headers.push('x-amz-version-id', copied.versionId)
  headers.push(...describeEncryption(call, copied.properties.encryption))
  call.sendXml(200, describeCopy(copied), headers)
}

/** A copy shares the chunks of its source, with their encryption, where nothing else is asked for. */
async function encryptionOf(
  call: S3Call,
  objects: Objects,
  { object }: OpenObject,
): Promise<{ readonly encryption: Pick<ObjectProperties, 'encryption'>; readonly rewrite: CopyOptions['rewrite'] }> {
  const { settings } = await call.services.volumes.openBucket(call.bucket)
  const { key, properties } = chooseEncryption((name) => call.header(name), settings, objects)
  const { encryption: before } = object.properties
  const isAlike = before?.kind === properties.encryption?.kind && before?.kind !== 'customer'
  if (isAlike) return { encryption: before === undefined ? {} : { encryption: before }, rewrite: undefined }
  return { encryption: properties, rewrite: { key, signal: call.exchange.signal } }
}

function describeCopy(copied: ObjectInfo): XmlWriter {
  const xml = new XmlWriter('CopyObjectResult', { xmlns: S3_NAMESPACE })
  xml.leaf('ETag', `"${copied.etag}"`).leaf('LastModified', s3Timestamp(copied.modifiedNs))
  const { checksum } = copied.properties
  if (checksum === undefined) return xml
  const value = checksum.type === 'COMPOSITE' ? `${checksum.value}-${copied.parts}` : checksum.value
  return xml.leaf(checksumElement(checksum.algorithm), value).leaf('ChecksumType', checksum.type)
}

async function propertiesOf(
  call: S3Call,
  { source, open }: { source: CopySource; open: Awaited<ReturnType<typeof openCopySource>> },
): Promise<ObjectProperties> {
  const { headers } = call.exchange
  const before = open.object.properties
  const replacesMetadata = directive(call, 'x-amz-metadata-directive') === 'REPLACE'
  const replacesTags = directive(call, 'x-amz-tagging-directive') === 'REPLACE'
  const storage = readStorageClass(headers)
  const isItself = source.bucket === call.bucket && source.key === call.key && source.versionId === undefined
  if (isItself && !replacesMetadata && call.header('x-amz-storage-class') === undefined && !changesOtherwise(call)) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  const { contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage, expires, metadata } = before
  const kept = defined({ contentType, cacheControl, contentDisposition, contentEncoding, contentLanguage, expires, metadata })
  const given = call.header('x-amz-tagging')
  const tags = replacesTags ? (given === undefined ? [] : parseTagging(given)) : (before.tags ?? [])
  const wanted = call.header('x-amz-checksum-algorithm')
  const checksum =
    wanted === undefined || parseAlgorithm(wanted) === before.checksum?.algorithm
      ? before.checksum
      : await checksumOf(parseAlgorithm(wanted), open, call.exchange.signal)
  const { partSizes } = before
  return {
    ...(replacesMetadata ? readMetadata(headers) : kept),
    ...storage,
    ...(await writtenProperties(call)),
    ...(tags.length === 0 ? {} : { tags }),
    ...defined({ checksum, partSizes }),
  }
}

function changesOtherwise(call: S3Call): boolean {
  return call.header('x-amz-website-redirect-location') !== undefined || call.header('x-amz-server-side-encryption') !== undefined
}

function directive(call: S3Call, name: string): 'COPY' | 'REPLACE' {
  const value = call.header(name) ?? 'COPY'
  if (value === 'COPY' || value === 'REPLACE') return value
  throw new S3Error('InvalidArgument', `Unknown directive: ${name} is "${value.slice(0, 40)}", COPY or REPLACE is expected`, {
    elements: { ArgumentName: name, ArgumentValue: value.slice(0, 40) },
  })
}

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
