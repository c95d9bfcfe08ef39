import type { Acl } from '#access/acl.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Bucket, BucketSettings } from '#volume/bucket-settings.ts'
import { readAclHeaders } from '../access/acl-headers.ts'
import type { AskedAcl } from '../access/acl-headers.ts'
import { NO_BLOCK } from '../access/bucket-rules.ts'
import type { BucketRules } from '../access/bucket-rules.ts'
import { writtenAcl } from '../access/written-acl.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { readBucketTags } from './bucket-tagging.ts'
import { parseOwnership } from './ownership-controls.ts'

export const createBucket: S3Operation = {
  name: 'CreateBucket',
  method: 'PUT',
  where: 'bucket',
  admits: 'signed',
  async handle(call) {
    const { bucket, services, caller } = call
    checkNewName(bucket)
    const settings = readSettings(call, await readConfiguration(call))
    try {
      const policy = settings.objectLock === undefined ? {} : ({ versioning: 'enabled' } as const)
      await services.volumes.createBucket(bucket, { policy, settings, caller })
    } catch (error) {
      if (!isShoalError(error, 'VOLUME_EXISTS')) throw error
      refuseOther(await services.volumes.openBucket(bucket), settings, caller.principal)
    }
    call.sendEmpty(200, ['Location', `/${bucket}`])
  },
}

/** Each part between dots is a name of its own in a certificate and in the DNS. Volumes that are named otherwise can be used
 *  all the same. @throws InvalidBucketName */
function checkNewName(bucket: string): void {
  if (!/-\.|\.-/.test(bucket)) return
  throw new S3Error('InvalidBucketName', 'The specified bucket is not valid: "-" stands beside ".", and can not', {
    elements: { BucketName: bucket },
  })
}

/** The body may ask for a place, and there is one only: any name of a region will do. */
async function readConfiguration(call: S3Call): Promise<BucketSettings> {
  if (call.exchange.lengthBytes === 0) return {}
  const root = await call.readXml('CreateBucketConfiguration')
  let settings: BucketSettings = {}
  for (const child of root.children) {
    const { name, text } = child
    if (name === 'LocationConstraint') {
      if (!/^[A-Za-z0-9-]{0,64}$/.test(text.trim()))
        throw new S3Error('InvalidLocationConstraint', `"${text.slice(0, 80)}" can't be the name of a region`)
    } else if (name === 'Tags') settings = { tags: readBucketTags(child) }
    else throw new S3Error('NotImplemented', `CreateBucketConfiguration with ${name} is not implemented here`)
  }
  return settings
}

function readSettings(call: S3Call, configured: BucketSettings): BucketSettings {
  const { services, caller } = call
  const asked = readAclHeaders((name) => call.header(name), services.names)
  const owned = call.header('x-amz-object-ownership')
  const ownership = owned === undefined ? undefined : parseOwnership(owned, 'InvalidArgument')
  const acl = firstAcl(asked, { owner: caller.principal, ownership: ownership ?? services.objectOwnership })
  const hasLock = call.header('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true'
  return {
    ...configured,
    ...(ownership === undefined ? {} : { ownership }),
    ...(acl === undefined ? {} : { acl }),
    ...(hasLock ? { objectLock: {} } : {}),
  }
}

function firstAcl(asked: AskedAcl, { owner, ownership }: Pick<BucketRules, 'owner' | 'ownership'>): Acl | undefined {
  const acl = writtenAcl(asked, { owner, publicAccess: NO_BLOCK }, owner)
  if (acl !== undefined && ownership === 'BucketOwnerEnforced')
    throw new S3Error(
      'InvalidBucketAclWithObjectOwnership',
      "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting: ask for another with x-amz-object-ownership",
    )
  return acl
}

/** To make one's own bucket once more, as it is, does nothing: as in S3's oldest region, which clients expect. */
function refuseOther({ info, settings }: Bucket, asked: BucketSettings, principal: string): void {
  const elements = { BucketName: info.name }
  if (info.owner !== principal)
    throw new S3Error('BucketAlreadyExists', 'The bucket exists already, and belongs to somebody else', { elements })
  const isSame = (key: 'acl' | 'ownership' | 'objectLock') => {
    if (key === 'objectLock') return (settings[key] === undefined) === (asked[key] === undefined)
    return JSON.stringify(settings[key]) === JSON.stringify(asked[key])
  }
  if (isSame('acl') && isSame('objectLock') && (asked.ownership === undefined || isSame('ownership'))) return
  throw new S3Error('BucketAlreadyExists', 'The bucket is yours already, with other settings: change those one by one', {
    elements,
  })
}
