import { cannedAcl, isPublicAcl, ownersAcl } from '#access/acl.ts'
import type { Acl } from '#access/acl.ts'
import { ANONYMOUS } from '#access/principal.ts'
import { ownerId } from '../owner.ts'
import { S3Error } from '../s3-error.ts'
import type { AskedAcl } from './acl-headers.ts'
import type { BucketRules } from './bucket-rules.ts'

/** Whose a new object is, and its access control list. */
export interface Ownership {
  /** `undefined`: the bucket owner's. */
  readonly owner?: string
  /** `undefined`: the owner has full control, and nobody else anything. */
  readonly acl?: Acl
}

/** Of an object that `writer` makes: Amazon S3 User Guide, "Controlling ownership of objects". What nobody has signed is the
 *  bucket owner's. @throws AccessControlListNotSupported, AccessDenied for a public list that is blocked */
export function ownershipOf(asked: AskedAcl, rules: BucketRules, writer: string): Ownership {
  const bucketOwner = ownerId(rules.owner)
  if (rules.ownership === 'BucketOwnerEnforced') {
    const mayBePrivate = !rules.isOwnershipOwn && asked !== undefined && 'canned' in asked && asked.canned === 'private'
    if (!mayBePrivate && !isForBucketOwner(asked, bucketOwner)) throw listsOff()
    return {}
  }
  const isGivenAway =
    rules.ownership === 'BucketOwnerPreferred' &&
    asked !== undefined &&
    'canned' in asked &&
    asked.canned === 'bucket-owner-full-control'
  const owner = isGivenAway || writer === ANONYMOUS.name ? rules.owner : writer
  const acl = writtenAcl(asked, rules, owner)
  return { ...(owner === rules.owner ? {} : { owner }), ...(acl === undefined ? {} : { acl }) }
}

/** The list that headers ask for on what `owner` owns; `undefined` for one that says no more than that.
 *  @throws AccessDenied for a public list that is blocked */
export function writtenAcl(asked: AskedAcl, rules: Pick<BucketRules, 'owner' | 'publicAccess'>, owner: string): Acl | undefined {
  if (asked === undefined) return undefined
  const ids = { owner: ownerId(owner), bucketOwner: ownerId(rules.owner) }
  const acl = 'canned' in asked ? cannedAcl(asked.canned, ids) : asked
  return keptAcl(acl, rules, owner)
}

/** @throws AccessDenied for a public list that is blocked */
export function keptAcl(acl: Acl, { publicAccess }: Pick<BucketRules, 'publicAccess'>, owner: string): Acl | undefined {
  if (publicAccess.blockPublicAcls && isPublicAcl(acl))
    throw new S3Error('AccessDenied', 'Access Denied: the list is public, and the public access block refuses public lists')
  const isDefault = JSON.stringify(acl.grants) === JSON.stringify(ownersAcl(ownerId(owner)).grants)
  return isDefault ? undefined : { grants: acl.grants }
}

/** What may be said where lists count for nothing: nothing, or what is so anyway. `private` means just that, and rclone and
 *  others send it unasked; it is refused, as Amazon does, only where the bucket itself was told that lists are off. */
function isForBucketOwner(asked: AskedAcl, bucketOwner: string): boolean {
  if (asked === undefined) return true
  if ('canned' in asked) return asked.canned === 'bucket-owner-full-control'
  return asked.grants.every(({ to, permission }) => 'id' in to && to.id === bucketOwner && permission === 'FULL_CONTROL')
}

export function listsOff(): S3Error {
  return new S3Error(
    'AccessControlListNotSupported',
    'The bucket does not allow ACLs: its object ownership is BucketOwnerEnforced. A bucket policy says who may do what, or PutBucketOwnershipControls turns lists on',
  )
}
