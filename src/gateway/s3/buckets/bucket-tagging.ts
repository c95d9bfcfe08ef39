import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { setOfBucket, unsetOfBucket } from './change-settings.ts'

/** Amazon S3's limits. */
const MAX_TAGS = 50
const MAX_KEY_LENGTH = 128
const MAX_VALUE_LENGTH = 256

export const getBucketTagging: S3Operation = {
  name: 'GetBucketTagging',
  method: 'GET',
  where: 'bucket',
  markers: ['tagging'],
  async handle(call) {
    const { tags } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (tags === undefined)
      throw new S3Error('NoSuchTagSet', 'The TagSet does not exist', { elements: { BucketName: call.bucket } })
    const xml = new XmlWriter('Tagging', { xmlns: S3_NAMESPACE }).start('TagSet')
    for (const [key, value] of tags) xml.start('Tag').leaf('Key', key).leaf('Value', value).end()
    call.sendXml(200, xml)
  },
}

export const putBucketTagging: S3Operation = {
  name: 'PutBucketTagging',
  method: 'PUT',
  where: 'bucket',
  markers: ['tagging'],
  async handle(call) {
    const root = await call.readXml('Tagging')
    const [set, ...others] = root.children
    if (set?.name !== 'TagSet' || others.length > 0) throw new S3Error('MalformedXML', 'Tagging is expected to have one TagSet')
    await setOfBucket(call, { tags: readBucketTags(set) })
    call.sendEmpty(204)
  },
}

export const deleteBucketTagging: S3Operation = {
  name: 'DeleteBucketTagging',
  method: 'DELETE',
  where: 'bucket',
  markers: ['tagging'],
  async handle(call) {
    await unsetOfBucket(call, 'tags')
    call.sendEmpty(204)
  },
}

/** The Tags in an element. @throws MalformedXML, InvalidTag */
export function readBucketTags(set: XmlElement): (readonly [key: string, value: string])[] {
  if (set.children.length > MAX_TAGS) throw new S3Error('InvalidTag', `A bucket can have ${MAX_TAGS} tags`)
  const tags = new Map<string, string>()
  for (const tag of set.children) {
    const key = tag.children.find(({ name }) => name === 'Key')?.text
    const value = tag.children.find(({ name }) => name === 'Value')?.text
    if (tag.name !== 'Tag' || key === undefined || value === undefined)
      throw new S3Error('MalformedXML', 'A TagSet is expected to have Tags with a Key and a Value each')
    if (key === '' || key.length > MAX_KEY_LENGTH || value.length > MAX_VALUE_LENGTH)
      throw new S3Error(
        'InvalidTag',
        `The tag "${key.slice(0, 128)}" is not valid: keys have 1 to 128 characters, values up to 256`,
      )
    if (tags.has(key)) throw new S3Error('InvalidTag', `Cannot provide multiple Tags with the same key: "${key.slice(0, 128)}"`)
    tags.set(key, value)
  }
  return [...tags]
}
