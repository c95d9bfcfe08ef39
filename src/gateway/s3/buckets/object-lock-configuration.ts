import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { BucketSettings, DefaultRetention } from '#volume/bucket-settings.ts'
import { requireMode } from '../object-lock.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'

/** Amazon S3's longest. */
const MAX_COUNT = { days: 36_500, years: 100 } as const

export const getObjectLockConfiguration: S3Operation = {
  name: 'GetObjectLockConfiguration',
  method: 'GET',
  where: 'bucket',
  markers: ['object-lock'],
  async handle(call) {
    const { objectLock } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (objectLock === undefined)
      throw new S3Error('ObjectLockConfigurationNotFoundError', 'Object Lock configuration does not exist for this bucket', {
        elements: { BucketName: call.bucket },
      })
    const xml = new XmlWriter('ObjectLockConfiguration', { xmlns: S3_NAMESPACE }).leaf('ObjectLockEnabled', 'Enabled')
    const { retention } = objectLock
    if (retention !== undefined) {
      xml.start('Rule').start('DefaultRetention').leaf('Mode', retention.mode)
      xml
        .leaf(retention.unit === 'days' ? 'Days' : 'Years', retention.count)
        .end()
        .end()
    }
    call.sendXml(200, xml)
  },
}

export const putObjectLockConfiguration: S3Operation = {
  name: 'PutObjectLockConfiguration',
  method: 'PUT',
  where: 'bucket',
  markers: ['object-lock'],
  async handle(call) {
    const retention = readConfiguration(await call.readXml('ObjectLockConfiguration'))
    const objectLock: BucketSettings['objectLock'] = retention === undefined ? {} : { retention }
    await call.services.volumes.changeSettings(call.bucket, {
      caller: call.caller,
      change(settings, { policy }) {
        if (policy.versioning !== 'enabled')
          throw new S3Error(
            'InvalidBucketState',
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
          )
        return { ...settings, objectLock }
      },
    })
    call.sendEmpty(200)
  },
}

function readConfiguration(root: XmlElement): DefaultRetention | undefined {
  const child = (element: XmlElement, name: string) => element.children.find((candidate) => candidate.name === name)
  if (child(root, 'ObjectLockEnabled')?.text.trim() !== 'Enabled')
    throw malformed('ObjectLockEnabled is expected to be "Enabled"')
  const rule = child(root, 'Rule')
  if (rule === undefined) return undefined
  const retention = child(rule, 'DefaultRetention')
  if (retention === undefined) throw malformed('a Rule is expected to have a DefaultRetention')
  const mode = requireMode(child(retention, 'Mode')?.text.trim() ?? '', malformed)
  const days = child(retention, 'Days')
  const years = child(retention, 'Years')
  if ((days === undefined) === (years === undefined)) throw malformed('either Days or Years are expected')
  const unit = days === undefined ? 'years' : 'days'
  const text = (days ?? years)?.text.trim() ?? ''
  if (!/^-?\d{1,9}$/.test(text)) throw malformed(`"${text.slice(0, 40)}" is no number of ${unit}`)
  const count = Number(text)
  if (count < 1 || count > MAX_COUNT[unit])
    throw new S3Error('InvalidRetentionPeriod', `The default retention has 1 to ${MAX_COUNT[unit]} ${unit}`)
  return { mode, unit, count }
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedXML', `The object lock configuration can't be read: ${why}`)
}
