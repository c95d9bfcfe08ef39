import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { OBJECT_OWNERSHIP } from '#volume/bucket-settings.ts'
import type { ObjectOwnership } from '#volume/bucket-settings.ts'
import type { Acl } from '#access/acl.ts'
import { aclOf } from '../access/bucket-rules.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { ownerId } from '../owner.ts'
import { S3Error } from '../s3-error.ts'
import { unsetOfBucket } from './change-settings.ts'

export const getBucketOwnershipControls: S3Operation = {
  name: 'GetBucketOwnershipControls',
  method: 'GET',
  where: 'bucket',
  markers: ['ownershipControls'],
  async handle(call) {
    const { ownership } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (ownership === undefined)
      throw new S3Error('OwnershipControlsNotFoundError', 'The bucket ownership controls were not found', {
        elements: { BucketName: call.bucket },
      })
    const xml = new XmlWriter('OwnershipControls', { xmlns: S3_NAMESPACE })
    call.sendXml(200, xml.start('Rule').leaf('ObjectOwnership', ownership).end())
  },
}

export const putBucketOwnershipControls: S3Operation = {
  name: 'PutBucketOwnershipControls',
  method: 'PUT',
  where: 'bucket',
  markers: ['ownershipControls'],
  async handle(call) {
    const ownership = readControls(await call.readXml('OwnershipControls'))
    await call.services.volumes.changeSettings(call.bucket, {
      caller: call.caller,
      change(settings, { owner }) {
        if (ownership === 'BucketOwnerEnforced') refuseGrants(aclOf(settings, owner), owner)
        return { ...settings, ownership }
      },
    })
    call.sendEmpty(200)
  },
}

export const deleteBucketOwnershipControls: S3Operation = {
  name: 'DeleteBucketOwnershipControls',
  method: 'DELETE',
  where: 'bucket',
  markers: ['ownershipControls'],
  async handle(call) {
    await unsetOfBucket(call, 'ownership')
    call.sendEmpty(204)
  },
}

function readControls(root: XmlElement): ObjectOwnership {
  const [rule, ...others] = root.children
  const value =
    rule?.name === 'Rule' && others.length === 0 ? rule.children.find(({ name }) => name === 'ObjectOwnership') : undefined
  if (value === undefined)
    throw new S3Error('MalformedXML', 'OwnershipControls are expected to have one Rule with an ObjectOwnership')
  return parseOwnership(value.text.trim(), 'MalformedXML')
}

/** @throws what `code` says */
export function parseOwnership(text: string, code: 'MalformedXML' | 'InvalidArgument'): ObjectOwnership {
  const found = OBJECT_OWNERSHIP.find((known) => known === text)
  if (found === undefined)
    throw new S3Error(code, `ObjectOwnership is "${text.slice(0, 40)}"; ${OBJECT_OWNERSHIP.join(', ')} are known`)
  return found
}

/** Lists would count for nothing from then on: what they grant has to be taken back before. */
export function refuseGrants({ grants }: Acl, owner: string): void {
  if (grants.every(({ to }) => 'id' in to && to.id === ownerId(owner))) return
  throw new S3Error(
    'InvalidBucketAclWithObjectOwnership',
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting: its list grants others something",
  )
}
