import { isShoalError } from '#foundation/errors.ts'
import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { RemovedObject, RemoveOptions } from '#volume/objects.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { S3Error, s3CodeOf } from '../s3-error.ts'
import { removeCheck } from './conditions.ts'
import { bypassOf, parseSize, parseTime } from './delete-object.ts'
import { openBucket } from './find-object.ts'

/** Amazon S3's limit. */
const MAX_OBJECTS = 1_000
/** A thousand keys of 1,024 bytes each, percent by percent, with their versions. */
const MAX_XML_BYTES = 2 * 1024 * 1024

type Removal = RemoveOptions & { readonly key: string }

export const deleteObjects: S3Operation = {
  name: 'DeleteObjects',
  method: 'POST',
  where: 'bucket',
  markers: ['delete'],
  admits: 'anyone',
  async handle(call) {
    const objects = await openBucket(call)
    const root = await call.readXml('Delete', { maxBytes: MAX_XML_BYTES })
    const { removals, isQuiet } = readDelete(root, call.services.clock.nowMs())
    const judged: Judged[] = []
    for (const removal of removals) judged.push(await judge(call, removal))
    const allowed = judged.filter((one) => !('error' in one))
    const removed = (await objects.removeAll(allowed, call.caller)).values()
    const xml = new XmlWriter('DeleteResult', { xmlns: S3_NAMESPACE })
    for (const one of judged) {
      const { key, versionId } = one
      const result = 'error' in one ? one : (removed.next().value as RemovedObject | { readonly error: unknown })
      if ('error' in result) writeError(xml, { key, versionId, error: result.error })
      else if (!isQuiet) {
        xml.start('Deleted').leaf('Key', key).leaf('VersionId', versionId)
        if (result.isMarker) xml.leaf('DeleteMarker', true).leaf('DeleteMarkerVersionId', result.versionId)
        xml.end()
      }
    }
    call.sendXml(200, xml)
  },
}

function writeError(xml: XmlWriter, failed: { key: string; versionId: string | undefined; error: unknown }): void {
  const { key, versionId, error } = failed
  if (!isShoalError(error)) throw error
  xml.start('Error').leaf('Key', key).leaf('VersionId', versionId)
  xml.leaf('Code', s3CodeOf(error)).leaf('Message', error.message).end()
}

type Judged = Removal | { readonly key: string; readonly versionId: string | undefined; readonly error: unknown }

/** Each key for itself: what isn't allowed is an error in the answer. */
async function judge(call: S3Call, removal: Removal): Promise<Judged> {
  const { key, versionId } = removal
  const object = { bucket: call.bucket, key, versionId }
  try {
    await call.access.require({ ...object, action: versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion' })
    return { ...removal, bypass: await bypassOf(call, object) }
  } catch (error) {
    return { key, versionId, error }
  }
}

function readDelete(root: XmlElement, nowMs: number): { removals: Removal[]; isQuiet: boolean } {
  const removals: Removal[] = []
  let isQuiet = false
  for (const child of root.children) {
    if (child.name === 'Quiet') isQuiet = child.text.trim() === 'true'
    else if (child.name !== 'Object') throw malformed()
    else removals.push(readObject(child, nowMs))
  }
  if (removals.length === 0 || removals.length > MAX_OBJECTS) throw malformed()
  return { removals, isQuiet }
}

function readObject(element: XmlElement, nowMs: number): Removal {
  const texts = new Map(element.children.map(({ name, text }) => [name, text]))
  const key = texts.get('Key')
  if (key === undefined || key === '') throw malformed()
  const size = texts.get('Size')
  const time = texts.get('LastModifiedTime')
  const check = removeCheck({
    etag: texts.get('ETag'),
    modifiedMs: time === undefined ? undefined : parseTime(time, nowMs),
    sizeBytes: size === undefined ? undefined : parseSize(size),
  })
  return { key, versionId: texts.get('VersionId'), check }
}

function malformed(): S3Error {
  return new S3Error('MalformedXML', `Delete is expected to have 1 to ${MAX_OBJECTS} Objects with a Key each`)
}
