import { isPublicAcl } from '#access/acl.ts'
import { MAX_POLICY_BYTES } from '#access/policy.ts'
import type { Policy } from '#access/policy.ts'
import { isPublicPolicy } from '#access/policy-evaluation.ts'
import { isShoalError } from '#foundation/errors.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { parseBucketPolicy, rulesOf } from '../access/bucket-rules.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { unsetOfBucket } from './change-settings.ts'

export const getBucketPolicy: S3Operation = {
  name: 'GetBucketPolicy',
  method: 'GET',
  where: 'bucket',
  markers: ['policy'],
  async handle(call) {
    const { settings } = await call.services.volumes.openBucket(call.bucket)
    if (settings.policy === undefined) throw noPolicy(call.bucket)
    call.sendBytes(200, ['Content-Type', 'application/json'], Buffer.from(settings.policy))
  },
}

export const putBucketPolicy: S3Operation = {
  name: 'PutBucketPolicy',
  method: 'PUT',
  where: 'bucket',
  markers: ['policy'],
  async handle(call) {
    const { bucket, caller, services } = call
    // Twice the limit is read, so that somewhat too much is told what the limit is.
    const text = (await call.readBytes(2 * MAX_POLICY_BYTES)).toString('utf8')
    const policy = parse(text, bucket)
    await services.volumes.changeSettings(bucket, {
      caller,
      change(settings) {
        if (settings.publicAccess?.blockPublicPolicy === true && isPublicPolicy(policy))
          throw new S3Error(
            'AccessDenied',
            'Access Denied: the policy is public, and the public access block refuses public policies',
          )
        return { ...settings, policy: text }
      },
    })
    call.sendEmpty(204)
  },
}

export const deleteBucketPolicy: S3Operation = {
  name: 'DeleteBucketPolicy',
  method: 'DELETE',
  where: 'bucket',
  markers: ['policy'],
  async handle(call) {
    await unsetOfBucket(call, 'policy')
    call.sendEmpty(204)
  },
}

export const getBucketPolicyStatus: S3Operation = {
  name: 'GetBucketPolicyStatus',
  method: 'GET',
  where: 'bucket',
  markers: ['policyStatus'],
  /** Access control lists count too: what matters is whether strangers get in. */
  async handle(call) {
    const bucket = await call.services.volumes.openBucket(call.bucket)
    const { isPolicyPublic, acl, ownership, publicAccess } = rulesOf(bucket, call.services.objectOwnership)
    const isListPublic = ownership !== 'BucketOwnerEnforced' && !publicAccess.ignorePublicAcls && isPublicAcl(acl)
    const xml = new XmlWriter('PolicyStatus', { xmlns: S3_NAMESPACE })
    call.sendXml(200, xml.leaf('IsPublic', (isPolicyPublic && !publicAccess.restrictPublicBuckets) || isListPublic))
  },
}

function parse(text: string, bucket: string): Policy {
  try {
    return parseBucketPolicy(text, bucket)
  } catch (cause) {
    if (!isShoalError(cause, 'INVALID_ARGUMENT')) throw cause
    throw new S3Error('MalformedPolicy', cause.message, { cause })
  }
}

function noPolicy(bucket: string): S3Error {
  return new S3Error('NoSuchBucketPolicy', 'The bucket policy does not exist', { elements: { BucketName: bucket } })
}
