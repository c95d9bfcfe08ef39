// Access control lists as Amazon S3 has them: Amazon S3 User Guide, "Access control list (ACL) overview".

export const ACL_GROUPS = ['AllUsers', 'AuthenticatedUsers'] as const
export type AclGroup = (typeof ACL_GROUPS)[number]

export const ACL_PERMISSIONS = ['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP'] as const
export type AclPermission = (typeof ACL_PERMISSIONS)[number]

/** A principal by its canonical id, or a group. */
export type Grantee = { readonly id: string } | { readonly group: AclGroup }

export interface Grant {
  readonly to: Grantee
  readonly permission: AclPermission
}

export interface Acl {
  readonly grants: readonly Grant[]
}

/** S3's limit. */
export const MAX_GRANTS = 100

export const CANNED_ACLS = [
  'private',
  'public-read',
  'public-read-write',
  'authenticated-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
] as const
export type CannedAcl = (typeof CANNED_ACLS)[number]

const GROUP_GRANTS: Readonly<Record<CannedAcl, readonly Grant[]>> = {
  private: [],
  'public-read': [{ to: { group: 'AllUsers' }, permission: 'READ' }],
  'public-read-write': [
    { to: { group: 'AllUsers' }, permission: 'READ' },
    { to: { group: 'AllUsers' }, permission: 'WRITE' },
  ],
  'authenticated-read': [{ to: { group: 'AuthenticatedUsers' }, permission: 'READ' }],
  'bucket-owner-read': [],
  'bucket-owner-full-control': [],
}

/** The owner has full control. */
export function ownersAcl(owner: string): Acl {
  return { grants: [{ to: { id: owner }, permission: 'FULL_CONTROL' }] }
}

/** What a canned list stands for. The ids are those of whoever owns what gets the list, and of the bucket's owner: what is
 *  meant for the latter says nothing where both are one, or on a bucket. */
export function cannedAcl(name: CannedAcl, { owner, bucketOwner }: { owner: string; bucketOwner: string }): Acl {
  const grants = [...GROUP_GRANTS[name], ...ownersAcl(owner).grants]
  if (owner !== bucketOwner && name === 'bucket-owner-read') grants.push({ to: { id: bucketOwner }, permission: 'READ' })
  if (owner !== bucketOwner && name === 'bucket-owner-full-control')
    grants.push({ to: { id: bucketOwner }, permission: 'FULL_CONTROL' })
  return { grants }
}

/** Whether somebody has a permission. `id` is `undefined` for somebody who has proven nothing. */
export function hasGrant(
  acl: Acl,
  permission: Exclude<AclPermission, 'FULL_CONTROL'>,
  who: { readonly id: string | undefined; readonly ignorePublic: boolean },
): boolean {
  return acl.grants.some(({ to, permission: granted }) => {
    if (granted !== permission && granted !== 'FULL_CONTROL') return false
    if ('id' in to) return who.id !== undefined && to.id === who.id
    return !who.ignorePublic && (to.group === 'AllUsers' || who.id !== undefined)
  })
}

/** Grants to a group: in S3 all "authenticated users" are as good as everyone. */
export function isPublicAcl(acl: Acl): boolean {
  return acl.grants.some(({ to }) => 'group' in to)
}
