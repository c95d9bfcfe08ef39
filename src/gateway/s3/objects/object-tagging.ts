// GetObjectTagging, PutObjectTagging and DeleteObjectTagging.

import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { ObjectProperties } from '#volume/objects.ts'
import { S3_NAMESPACE, type S3Call, type S3Operation } from '../operation.ts'
import { findObject, isVersioned, missing, openBucket, targetOf } from './find-object.ts'
import { readTagging, type Tags } from './tag-set.ts'

export const getObjectTagging: S3Operation = {
  name: 'GetObjectTagging',
  method: 'GET',
  where: 'object',
  markers: ['tagging'],
  async handle(call) {
    const objects = await openBucket(call)
    const { properties, versionId } = await findObject(objects, targetOf(call))
    const xml = new XmlWriter('Tagging', { xmlns: S3_NAMESPACE }).start('TagSet')
    for (const [key, value] of properties.tags ?? []) xml.start('Tag').leaf('Key', key).leaf('Value', value).end()
    call.sendXml(200, xml, isVersioned(objects) ? ['x-amz-version-id', versionId] : [])
  },
}

export const putObjectTagging: S3Operation = {
  name: 'PutObjectTagging',
  method: 'PUT',
  where: 'object',
  markers: ['tagging'],
  async handle(call) {
    const tags = readTagging(await call.readXml('Tagging'))
    const { key, versionId } = targetOf(call)
    const action = versionId === undefined ? 's3:PutObjectTagging' : 's3:PutObjectVersionTagging'
    // A policy may speak of the tags themselves.
    await call.access.require({ bucket: call.bucket, key, versionId, action, tags })
    call.sendEmpty(200, await changeTags(call, tags))
  },
}

export const deleteObjectTagging: S3Operation = {
  name: 'DeleteObjectTagging',
  method: 'DELETE',
  where: 'object',
  markers: ['tagging'],
  async handle(call) {
    call.sendEmpty(204, await changeTags(call, []))
  },
}

async function changeTags(call: S3Call, tags: Tags): Promise<string[]> {
  const objects = await openBucket(call)
  const target = targetOf(call)
  const change = (properties: ObjectProperties): ObjectProperties => {
    const { tags: _before, ...others } = properties
    return tags.length === 0 ? others : { ...others, tags }
  }
  const found = await objects.change(target.key, { caller: call.caller, versionId: target.versionId, change })
  if (found === undefined || 'marker' in found) throw missing(target, found)
  return isVersioned(objects) ? ['x-amz-version-id', found.object.versionId] : []
}
