import { ownersAcl } from '#access/acl.ts'
import type { Acl } from '#access/acl.ts'
import { parsePolicy } from '#access/policy.ts'
import type { Policy, Vocabulary } from '#access/policy.ts'
import { isPublicPolicy } from '#access/policy-evaluation.ts'
import { Wildcard } from '#access/wildcard.ts'
import type { Bucket, BucketSettings, ObjectOwnership, PublicAccessBlock } from '#volume/bucket-settings.ts'
import { isConditionKey } from './condition-values.ts'
import { ownerId } from '../owner.ts'
import { S3_ACTIONS } from './s3-actions.ts'

/** A bucket's settings as a decision needs them. */
export interface BucketRules {
  /** The name of a principal. */
  readonly owner: string
  readonly policy: Policy | undefined
  readonly isPolicyPublic: boolean
  readonly acl: Acl
  readonly ownership: ObjectOwnership
  /** The bucket has been told so itself. */
  readonly isOwnershipOwn: boolean
  readonly publicAccess: PublicAccessBlock
}

export const NO_BLOCK: PublicAccessBlock = {
  blockPublicAcls: false,
  ignorePublicAcls: false,
  blockPublicPolicy: false,
  restrictPublicBuckets: false,
}

type Described = Pick<Bucket, 'info' | 'settings'>

const known = new WeakMap<Described, BucketRules>()

/** Read once for as long as the bucket stays as it is. `ownership` is that of buckets without controls of their own.
 *  @throws INVALID_ARGUMENT for a policy that this release can't read */
export function rulesOf(bucket: Described, ownership: ObjectOwnership): BucketRules {
  let rules = known.get(bucket)
  if (rules === undefined) {
    const { info, settings } = bucket
    const policy = settings.policy === undefined ? undefined : parseBucketPolicy(settings.policy, info.name)
    rules = {
      owner: info.owner,
      policy,
      isPolicyPublic: policy !== undefined && isPublicPolicy(policy),
      acl: aclOf(settings, info.owner),
      ownership: settings.ownership ?? ownership,
      isOwnershipOwn: settings.ownership !== undefined,
      publicAccess: settings.publicAccess ?? NO_BLOCK,
    }
    known.set(bucket, rules)
  }
  return rules
}

export function aclOf(settings: BucketSettings, owner: string): Acl {
  return (settings.acl as Acl | undefined) ?? ownersAcl(ownerId(owner))
}

/** @throws INVALID_ARGUMENT */
export function parseBucketPolicy(text: string, bucket: string): Policy {
  const vocabulary: Vocabulary = {
    actions: S3_ACTIONS,
    isConditionKey,
    isResource: (pattern) => isOfBucket(pattern, bucket),
  }
  return parsePolicy(text, vocabulary)
}

/** Whether a pattern can match something in the bucket. */
function isOfBucket(pattern: string, bucket: string): boolean {
  if (pattern === '*') return true
  const [, name] = /^arn:aws:s3:::([^/]+)/.exec(pattern) ?? []
  return name !== undefined && new Wildcard(name).matches(bucket)
}
