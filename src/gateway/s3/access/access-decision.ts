import { hasGrant, ownersAcl } from '#access/acl.ts'
import type { Acl } from '#access/acl.ts'
import type { ValuesOf } from '#access/policy-conditions.ts'
import { evaluatePolicy } from '#access/policy-evaluation.ts'
import type { Requester } from '#access/policy-principals.ts'
import type { Principal } from '#access/principal.ts'
import type { ObjectProperties } from '#volume/objects.ts'
import type { BucketRules } from './bucket-rules.ts'
import { EXISTING_TAG } from './condition-values.ts'
import { ACCOUNT, ownerId } from '../owner.ts'
import { BUCKET_ACL, OBJECT_ACL } from './s3-actions.ts'

/** What a decision needs of the object asked for. */
export interface ObjectFacts {
  /** The name of a principal. */
  readonly owner: string
  readonly acl: Acl
  readonly tags: readonly (readonly [key: string, value: string])[]
}

/** What is owned by nobody in particular is the bucket owner's. */
export function objectFacts(properties: ObjectProperties, { owner: bucketOwner, ownership }: BucketRules): ObjectFacts {
  const owner = ownership === 'BucketOwnerEnforced' ? bucketOwner : (properties.owner ?? bucketOwner)
  return { owner, acl: (properties.acl as Acl | undefined) ?? ownersAcl(ownerId(owner)), tags: properties.tags ?? [] }
}

export interface AccessQuestion {
  readonly who: Principal
  readonly rules: BucketRules
  readonly action: string
  readonly bucket: string
  /** Empty for the bucket itself. */
  readonly key: string
  readonly valuesOf: ValuesOf
  /** `undefined` if it doesn't exist, or if the decision doesn't look at it. */
  readonly object: ObjectFacts | undefined
}

/** The owner can't lock themselves out: Amazon S3 User Guide, "Bucket policies". */
const OWNERS_OWN: ReadonlySet<string> = new Set(['s3:GetBucketPolicy', 's3:PutBucketPolicy', 's3:DeleteBucketPolicy'])

/** Whether a decision has to know the object. */
export function looksAtObject({ who, rules, action, key }: Pick<AccessQuestion, 'who' | 'rules' | 'action' | 'key'>): boolean {
  if (key === '' || who.kind === 'root') return false
  if (rules.ownership !== 'BucketOwnerEnforced' && OBJECT_ACL.has(action)) return true
  for (const name of rules.policy?.keys ?? []) if (name.startsWith(EXISTING_TAG)) return true
  return false
}

/** Root may do everything. Otherwise what the policy denies is denied; what the policy, an access control list or
 *  ownership allows is allowed; and nothing else is. */
export function isAllowed(question: AccessQuestion): boolean {
  const { who, rules, action } = question
  if (who.kind === 'root') return true
  const isOwner = who.kind === 'user' && who.name === rules.owner
  if (isOwner && OWNERS_OWN.has(action)) return true
  const said = policySays(question)
  if (said === 'deny') return false
  // A public policy that is restricted speaks to nobody but the owner, who needs no permission.
  if (said === 'allow' && !(rules.isPolicyPublic && rules.publicAccess.restrictPublicBuckets)) return true
  if (isOwner && !isAnothersObject(question)) return true
  return rules.ownership !== 'BucketOwnerEnforced' && listsAllow(question)
}

/** Whether the policy denies it: asked for what comes along with something that is allowed. */
export function isDenied(question: AccessQuestion): boolean {
  return question.who.kind !== 'root' && policySays(question) === 'deny'
}

function policySays({ who, rules, action, bucket, key, valuesOf }: AccessQuestion): 'allow' | 'deny' | 'neither' {
  if (rules.policy === undefined) return 'neither'
  const resource = `arn:aws:s3:::${bucket}${key === '' ? '' : `/${key}`}`
  return evaluatePolicy(rules.policy, { who: requesterOf(who), action, resource, valuesOf })
}

function requesterOf({ name, kind }: Principal): Requester {
  if (kind === 'anonymous') return { name: undefined, account: '', canonicalId: '' }
  return { name, account: ACCOUNT, canonicalId: ownerId(name) }
}

/** With lists in force, what somebody else has written is theirs: its list says whether the bucket's owner may read it. */
function isAnothersObject({ rules, action, object }: AccessQuestion): boolean {
  return (
    rules.ownership !== 'BucketOwnerEnforced' && object !== undefined && object.owner !== rules.owner && OBJECT_ACL.has(action)
  )
}

function listsAllow({ who, rules, action, key, object }: AccessQuestion): boolean {
  const asking = {
    id: who.kind === 'anonymous' ? undefined : ownerId(who.name),
    ignorePublic: rules.publicAccess.ignorePublicAcls,
  }
  const ofBucket = BUCKET_ACL.get(action)
  if (ofBucket !== undefined && hasGrant(rules.acl, ofBucket, asking)) return true
  const ofObject = OBJECT_ACL.get(action)
  if (ofObject === undefined || key === '' || object === undefined) return false
  // Whoever owns an object can always see and change its list.
  if (ofObject !== 'READ' && who.kind === 'user' && object.owner === who.name) return true
  return hasGrant(object.acl, ofObject, asking)
}
