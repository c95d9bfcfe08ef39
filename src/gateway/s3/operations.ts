import { createBucket } from './buckets/create-bucket.ts'
import { deleteBucket } from './buckets/delete-bucket.ts'
import { getBucketLocation } from './buckets/get-bucket-location.ts'
import { headBucket } from './buckets/head-bucket.ts'
import { listBuckets } from './buckets/list-buckets.ts'
import { OBJECT_OPERATIONS } from './objects/object-operations.ts'
import type { S3Operation } from './operation.ts'

/** Everything that the S3 door does. */
export const OPERATIONS: readonly S3Operation[] = [
  listBuckets,
  createBucket,
  headBucket,
  deleteBucket,
  getBucketLocation,
  ...OBJECT_OPERATIONS,
]
