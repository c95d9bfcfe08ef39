// GetBucketVersioning and PutBucketVersioning.

import { isShoalError } from '#foundation/errors.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { S3_NAMESPACE, type S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { openBucket } from './find-object.ts'

const STATUS = { enabled: 'Enabled', suspended: 'Suspended', off: undefined } as const

export const getBucketVersioning: S3Operation = {
  name: 'GetBucketVersioning',
  method: 'GET',
  where: 'bucket',
  markers: ['versioning'],
  async handle(call) {
    const { info } = await openBucket(call)
    const xml = new XmlWriter('VersioningConfiguration', { xmlns: S3_NAMESPACE })
    call.sendXml(200, xml.leaf('Status', STATUS[info.policy.versioning]))
  },
}

export const putBucketVersioning: S3Operation = {
  name: 'PutBucketVersioning',
  method: 'PUT',
  where: 'bucket',
  markers: ['versioning'],
  async handle(call) {
    const root = await call.readXml('VersioningConfiguration')
    const text = (name: string) => root.children.find((child) => child.name === name)?.text.trim()
    if (text('MfaDelete') === 'Enabled') throw new S3Error('NotImplemented', 'MFA delete is not implemented')
    const status = text('Status')
    if (status !== 'Enabled' && status !== 'Suspended')
      throw new S3Error('MalformedXML', 'VersioningConfiguration is expected to have a Status of Enabled or Suspended')
    const versioning = status === 'Enabled' ? 'enabled' : 'suspended'
    try {
      await call.services.volumes.update(call.bucket, { versioning }, call.caller)
    } catch (cause) {
      if (!isShoalError(cause, 'CONFLICT')) throw cause
      throw new S3Error('InvalidBucketState', cause.message, { cause })
    }
    call.sendEmpty(200)
  },
}
