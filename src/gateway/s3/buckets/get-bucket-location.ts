import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'

export const getBucketLocation: S3Operation = {
  name: 'GetBucketLocation',
  method: 'GET',
  where: 'bucket',
  markers: ['location'],
  async handle(call) {
    await call.services.volumes.open(call.bucket)
    const { region } = call.services
    // The first region has no name here: the element is empty for it.
    const text = region === 'us-east-1' ? '' : region
    const xml = new XmlWriter('LocationConstraint', { xmlns: S3_NAMESPACE })
    call.sendXml(200, text === '' ? xml : xml.text(text))
  },
}
