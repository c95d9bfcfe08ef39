import type { AclPermission } from '#access/acl.ts'

/** The actions that policies speak of, by operation: those without an entry are `s3:` and the operation's name. Of two,
 *  the second is for a request that names a version. */
const ACTIONS: Readonly<Record<string, readonly [action: string, ofVersion?: string]>> = {
  AbortMultipartUpload: ['s3:AbortMultipartUpload'],
  CompleteMultipartUpload: ['s3:PutObject'],
  CopyObject: ['s3:PutObject'],
  CreateMultipartUpload: ['s3:PutObject'],
  DeleteBucketCors: ['s3:PutBucketCORS'],
  DeleteBucketEncryption: ['s3:PutEncryptionConfiguration'],
  DeleteBucketLifecycle: ['s3:PutLifecycleConfiguration'],
  DeleteBucketOwnershipControls: ['s3:PutBucketOwnershipControls'],
  DeleteBucketReplication: ['s3:PutReplicationConfiguration'],
  DeleteBucketTagging: ['s3:PutBucketTagging'],
  DeleteObject: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
  DeleteObjectTagging: ['s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'],
  DeletePublicAccessBlock: ['s3:PutBucketPublicAccessBlock'],
  GetBucketAccelerateConfiguration: ['s3:GetAccelerateConfiguration'],
  GetBucketCors: ['s3:GetBucketCORS'],
  GetBucketEncryption: ['s3:GetEncryptionConfiguration'],
  GetBucketLifecycleConfiguration: ['s3:GetLifecycleConfiguration'],
  GetBucketNotificationConfiguration: ['s3:GetBucketNotification'],
  GetBucketReplication: ['s3:GetReplicationConfiguration'],
  GetObject: ['s3:GetObject', 's3:GetObjectVersion'],
  GetObjectAcl: ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  GetObjectAttributes: ['s3:GetObjectAttributes', 's3:GetObjectVersionAttributes'],
  GetObjectLockConfiguration: ['s3:GetBucketObjectLockConfiguration'],
  GetObjectTagging: ['s3:GetObjectTagging', 's3:GetObjectVersionTagging'],
  GetPublicAccessBlock: ['s3:GetBucketPublicAccessBlock'],
  HeadBucket: ['s3:ListBucket'],
  HeadObject: ['s3:GetObject', 's3:GetObjectVersion'],
  ListBuckets: ['s3:ListAllMyBuckets'],
  ListMultipartUploads: ['s3:ListBucketMultipartUploads'],
  ListObjectVersions: ['s3:ListBucketVersions'],
  ListObjects: ['s3:ListBucket'],
  ListObjectsV2: ['s3:ListBucket'],
  ListParts: ['s3:ListMultipartUploadParts'],
  PutBucketAccelerateConfiguration: ['s3:PutAccelerateConfiguration'],
  PutBucketCors: ['s3:PutBucketCORS'],
  PutBucketEncryption: ['s3:PutEncryptionConfiguration'],
  PutBucketLifecycleConfiguration: ['s3:PutLifecycleConfiguration'],
  PutBucketNotificationConfiguration: ['s3:PutBucketNotification'],
  PutBucketReplication: ['s3:PutReplicationConfiguration'],
  PutObjectAcl: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
  PutObjectLockConfiguration: ['s3:PutBucketObjectLockConfiguration'],
  PutObjectTagging: ['s3:PutObjectTagging', 's3:PutObjectVersionTagging'],
  PutPublicAccessBlock: ['s3:PutBucketPublicAccessBlock'],
  UploadPart: ['s3:PutObject'],
  UploadPartCopy: ['s3:PutObject'],
}

/** Whose name is that of an operation, and those of the table. */
const PLAIN_ACTIONS: readonly string[] = [
  's3:BypassGovernanceRetention',
  's3:CreateBucket',
  's3:DeleteBucket',
  's3:DeleteBucketPolicy',
  's3:DeleteBucketWebsite',
  's3:GetBucketAcl',
  's3:GetBucketLocation',
  's3:GetBucketLogging',
  's3:GetBucketOwnershipControls',
  's3:GetBucketPolicy',
  's3:GetBucketPolicyStatus',
  's3:GetBucketRequestPayment',
  's3:GetBucketTagging',
  's3:GetBucketVersioning',
  's3:GetBucketWebsite',
  's3:GetObjectLegalHold',
  's3:GetObjectRetention',
  's3:PutBucketAcl',
  's3:PutBucketLogging',
  's3:PutBucketOwnershipControls',
  's3:PutBucketPolicy',
  's3:PutBucketRequestPayment',
  's3:PutBucketTagging',
  's3:PutBucketVersioning',
  's3:PutBucketWebsite',
  's3:PutObject',
  's3:PutObjectLegalHold',
  's3:PutObjectRetention',
]

/** Of AWS' own, without an operation here: a policy made for both may name them. */
const FOREIGN_ACTIONS: readonly string[] = [
  's3:GetAnalyticsConfiguration',
  's3:GetIntelligentTieringConfiguration',
  's3:GetInventoryConfiguration',
  's3:GetMetricsConfiguration',
  's3:GetObjectTorrent',
  's3:GetObjectVersionForReplication',
  's3:InitiateReplication',
  's3:ListTagsForResource',
  's3:ObjectOwnerOverrideToBucketOwner',
  's3:PutAnalyticsConfiguration',
  's3:PutIntelligentTieringConfiguration',
  's3:PutInventoryConfiguration',
  's3:PutMetricsConfiguration',
  's3:ReplicateDelete',
  's3:ReplicateObject',
  's3:ReplicateTags',
  's3:RestoreObject',
]

export const S3_ACTIONS: readonly string[] = [
  ...new Set([...PLAIN_ACTIONS, ...FOREIGN_ACTIONS, ...Object.values(ACTIONS).flatMap((both) => both as readonly string[])]),
].toSorted()

/** What somebody must be allowed for an operation. */
export function actionOf(operation: string, hasVersion: boolean): string {
  const [action, ofVersion] = ACTIONS[operation] ?? [`s3:${operation}`]
  return hasVersion && ofVersion !== undefined ? ofVersion : action
}

type ListedPermission = Exclude<AclPermission, 'FULL_CONTROL'>

/** Which actions a permission in a bucket's list allows: Amazon S3 User Guide, "Mapping of ACL permissions and access policy
 *  permissions". */
export const BUCKET_ACL: ReadonlyMap<string, ListedPermission> = new Map([
  ['s3:ListBucket', 'READ'],
  ['s3:ListBucketVersions', 'READ'],
  ['s3:ListBucketMultipartUploads', 'READ'],
  ['s3:PutObject', 'WRITE'],
  ['s3:DeleteObject', 'WRITE'],
  ['s3:AbortMultipartUpload', 'WRITE'],
  ['s3:ListMultipartUploadParts', 'WRITE'],
  ['s3:GetBucketAcl', 'READ_ACP'],
  ['s3:PutBucketAcl', 'WRITE_ACP'],
])

/** The same of an object's list. */
export const OBJECT_ACL: ReadonlyMap<string, ListedPermission> = new Map([
  ['s3:GetObject', 'READ'],
  ['s3:GetObjectVersion', 'READ'],
  ['s3:GetObjectAttributes', 'READ'],
  ['s3:GetObjectVersionAttributes', 'READ'],
  ['s3:GetObjectAcl', 'READ_ACP'],
  ['s3:GetObjectVersionAcl', 'READ_ACP'],
  ['s3:PutObjectAcl', 'WRITE_ACP'],
  ['s3:PutObjectVersionAcl', 'WRITE_ACP'],
])
