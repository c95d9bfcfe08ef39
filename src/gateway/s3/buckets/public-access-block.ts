import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { PublicAccessBlock } from '#volume/bucket-settings.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { setOfBucket, unsetOfBucket } from './change-settings.ts'

const SWITCHES = {
  BlockPublicAcls: 'blockPublicAcls',
  IgnorePublicAcls: 'ignorePublicAcls',
  BlockPublicPolicy: 'blockPublicPolicy',
  RestrictPublicBuckets: 'restrictPublicBuckets',
} as const satisfies Record<string, keyof PublicAccessBlock>

export const getPublicAccessBlock: S3Operation = {
  name: 'GetPublicAccessBlock',
  method: 'GET',
  where: 'bucket',
  markers: ['publicAccessBlock'],
  async handle(call) {
    const { publicAccess } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (publicAccess === undefined)
      throw new S3Error('NoSuchPublicAccessBlockConfiguration', 'The public access block configuration was not found', {
        elements: { BucketName: call.bucket },
      })
    const xml = new XmlWriter('PublicAccessBlockConfiguration', { xmlns: S3_NAMESPACE })
    for (const [name, key] of Object.entries(SWITCHES)) xml.leaf(name, publicAccess[key])
    call.sendXml(200, xml)
  },
}

export const putPublicAccessBlock: S3Operation = {
  name: 'PutPublicAccessBlock',
  method: 'PUT',
  where: 'bucket',
  markers: ['publicAccessBlock'],
  async handle(call) {
    const root = await call.readXml('PublicAccessBlockConfiguration')
    const publicAccess = {
      blockPublicAcls: false,
      ignorePublicAcls: false,
      blockPublicPolicy: false,
      restrictPublicBuckets: false,
    }
    for (const element of root.children) {
      const key = (SWITCHES as Readonly<Record<string, keyof PublicAccessBlock>>)[element.name]
      if (key === undefined) throw malformed(`it has an element ${element.name.slice(0, 40)}`)
      publicAccess[key] = readBoolean(element)
    }
    await setOfBucket(call, { publicAccess })
    call.sendEmpty(200)
  },
}

export const deletePublicAccessBlock: S3Operation = {
  name: 'DeletePublicAccessBlock',
  method: 'DELETE',
  where: 'bucket',
  markers: ['publicAccessBlock'],
  async handle(call) {
    await unsetOfBucket(call, 'publicAccess')
    call.sendEmpty(204)
  },
}

function readBoolean({ name, text }: XmlElement): boolean {
  const word = text.trim().toLowerCase()
  if (word === 'true' || word === 'false') return word === 'true'
  throw malformed(`${name} is "${text.slice(0, 40)}" where true or false is expected`)
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedXML', `The public access block can't be read: ${why}`)
}
