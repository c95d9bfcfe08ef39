import type { S3Operation } from '../operation.ts'
import { getBucketAcl, putBucketAcl } from './bucket-acl.ts'
import { deleteBucketCors, getBucketCors, putBucketCors } from './bucket-cors.ts'
import { deleteBucketEncryption, getBucketEncryption, putBucketEncryption } from './bucket-encryption.ts'
import { deleteBucketLifecycle, getBucketLifecycleConfiguration, putBucketLifecycleConfiguration } from './bucket-lifecycle.ts'
import { deleteBucketPolicy, getBucketPolicy, getBucketPolicyStatus, putBucketPolicy } from './bucket-policy.ts'
import { deleteBucketTagging, getBucketTagging, putBucketTagging } from './bucket-tagging.ts'
import { createBucket } from './create-bucket.ts'
import { deleteBucket } from './delete-bucket.ts'
import { getBucketLocation } from './get-bucket-location.ts'
import { headBucket } from './head-bucket.ts'
import { listBuckets } from './list-buckets.ts'
import { getObjectLockConfiguration, putObjectLockConfiguration } from './object-lock-configuration.ts'
import { deleteBucketOwnershipControls, getBucketOwnershipControls, putBucketOwnershipControls } from './ownership-controls.ts'
import { deletePublicAccessBlock, getPublicAccessBlock, putPublicAccessBlock } from './public-access-block.ts'
import {
  deleteBucketReplication,
  deleteBucketWebsite,
  getBucketAccelerateConfiguration,
  getBucketLogging,
  getBucketNotificationConfiguration,
  getBucketReplication,
  getBucketRequestPayment,
  getBucketWebsite,
  putBucketAccelerateConfiguration,
  putBucketLogging,
  putBucketNotificationConfiguration,
  putBucketReplication,
  putBucketRequestPayment,
  putBucketWebsite,
} from './unsupported-settings.ts'

export const BUCKET_OPERATIONS: readonly S3Operation[] = [
  listBuckets,
  createBucket,
  headBucket,
  deleteBucket,
  getBucketLocation,
  getBucketAcl,
  putBucketAcl,
  getBucketPolicy,
  putBucketPolicy,
  deleteBucketPolicy,
  getBucketPolicyStatus,
  getBucketOwnershipControls,
  putBucketOwnershipControls,
  deleteBucketOwnershipControls,
  getPublicAccessBlock,
  putPublicAccessBlock,
  deletePublicAccessBlock,
  getBucketCors,
  putBucketCors,
  deleteBucketCors,
  getBucketTagging,
  putBucketTagging,
  deleteBucketTagging,
  getBucketEncryption,
  putBucketEncryption,
  deleteBucketEncryption,
  getBucketLifecycleConfiguration,
  putBucketLifecycleConfiguration,
  deleteBucketLifecycle,
  getObjectLockConfiguration,
  putObjectLockConfiguration,
  getBucketLogging,
  putBucketLogging,
  getBucketNotificationConfiguration,
  putBucketNotificationConfiguration,
  getBucketRequestPayment,
  putBucketRequestPayment,
  getBucketAccelerateConfiguration,
  putBucketAccelerateConfiguration,
  getBucketWebsite,
  putBucketWebsite,
  deleteBucketWebsite,
  getBucketReplication,
  putBucketReplication,
  deleteBucketReplication,
]
