import { BUCKET_OPERATIONS } from './buckets/bucket-operations.ts'
import { postObject } from './forms/post-object.ts'
import { OBJECT_OPERATIONS } from './objects/object-operations.ts'
import type { S3Operation } from './operation.ts'

/** Everything that the S3 door does. */
export const OPERATIONS: readonly S3Operation[] = [...BUCKET_OPERATIONS, ...OBJECT_OPERATIONS, postObject]
