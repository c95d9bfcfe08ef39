import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { BucketSettings } from '#volume/bucket-settings.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { setOfBucket, unsetOfBucket } from './change-settings.ts'

export const getBucketEncryption: S3Operation = {
  name: 'GetBucketEncryption',
  method: 'GET',
  where: 'bucket',
  markers: ['encryption'],
  async handle(call) {
    const { encryption } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (encryption === undefined)
      throw new S3Error(
        'ServerSideEncryptionConfigurationNotFoundError',
        'The server side encryption configuration was not found',
        { elements: { BucketName: call.bucket } },
      )
    const xml = new XmlWriter('ServerSideEncryptionConfiguration', { xmlns: S3_NAMESPACE }).start('Rule')
    xml.start('ApplyServerSideEncryptionByDefault').leaf('SSEAlgorithm', encryption.algorithm).end()
    call.sendXml(200, xml.leaf('BucketKeyEnabled', encryption.bucketKey).end())
  },
}

export const putBucketEncryption: S3Operation = {
  name: 'PutBucketEncryption',
  method: 'PUT',
  where: 'bucket',
  markers: ['encryption'],
  async handle(call) {
    const encryption = readConfiguration(await call.readXml('ServerSideEncryptionConfiguration'))
    await setOfBucket(call, { encryption })
    call.sendEmpty(200)
  },
}

export const deleteBucketEncryption: S3Operation = {
  name: 'DeleteBucketEncryption',
  method: 'DELETE',
  where: 'bucket',
  markers: ['encryption'],
  async handle(call) {
    await unsetOfBucket(call, 'encryption')
    call.sendEmpty(204)
  },
}

function readConfiguration(root: XmlElement): NonNullable<BucketSettings['encryption']> {
  const [rule, ...others] = root.children
  const child = (element: XmlElement | undefined, name: string) => element?.children.find((candidate) => candidate.name === name)
  const byDefault = child(rule, 'ApplyServerSideEncryptionByDefault')
  const algorithm = child(byDefault, 'SSEAlgorithm')?.text.trim()
  if (rule?.name !== 'Rule' || others.length > 0 || algorithm === undefined)
    throw malformed('one Rule with ApplyServerSideEncryptionByDefault and an SSEAlgorithm is expected')
  if (algorithm.startsWith('aws:'))
    throw new S3Error('NotImplemented', 'Not implemented here: encryption with keys of a key management service')
  if (algorithm !== 'AES256') throw malformed(`the SSEAlgorithm is "${algorithm.slice(0, 40)}"; AES256 is expected`)
  if (child(byDefault, 'KMSMasterKeyID') !== undefined)
    throw new S3Error('InvalidArgument', 'a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms')
  const bucketKey = child(rule, 'BucketKeyEnabled')?.text.trim()
  return { algorithm, ...(bucketKey === undefined ? {} : { bucketKey: bucketKey === 'true' }) }
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedXML', `The encryption configuration can't be read: ${why}`)
}
