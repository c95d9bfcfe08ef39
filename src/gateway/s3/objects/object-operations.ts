import type { S3Operation } from '../operation.ts'
import { abortMultipartUpload } from './abort-multipart-upload.ts'
import { getBucketVersioning, putBucketVersioning } from './bucket-versioning.ts'
import { completeMultipartUpload } from './complete-multipart-upload.ts'
import { copyObject } from './copy-object.ts'
import { createMultipartUpload } from './create-multipart-upload.ts'
import { deleteObject } from './delete-object.ts'
import { deleteObjects } from './delete-objects.ts'
import { getObjectAttributes } from './get-object-attributes.ts'
import { getObject } from './get-object.ts'
import { headObject } from './head-object.ts'
import { listMultipartUploads } from './list-multipart-uploads.ts'
import { listObjectVersions } from './list-object-versions.ts'
import { listObjectsV2 } from './list-objects-v2.ts'
import { listObjects } from './list-objects.ts'
import { listParts } from './list-parts.ts'
import { deleteObjectTagging, getObjectTagging, putObjectTagging } from './object-tagging.ts'
import { getObjectAcl, putObjectAcl } from './object-acl.ts'
import { getObjectLegalHold, getObjectRetention, putObjectLegalHold, putObjectRetention } from './object-locks.ts'
import { putObject } from './put-object.ts'
import { uploadPartCopy } from './upload-part-copy.ts'
import { uploadPart } from './upload-part.ts'

export const OBJECT_OPERATIONS: readonly S3Operation[] = [
  putObject,
  copyObject,
  getObject,
  headObject,
  getObjectAttributes,
  deleteObject,
  deleteObjects,
  listObjects,
  listObjectsV2,
  listObjectVersions,
  getObjectTagging,
  putObjectTagging,
  deleteObjectTagging,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
  listParts,
  listMultipartUploads,
  completeMultipartUpload,
  abortMultipartUpload,
  getBucketVersioning,
  putBucketVersioning,
  getObjectAcl,
  putObjectAcl,
  getObjectRetention,
  putObjectRetention,
  getObjectLegalHold,
  putObjectLegalHold,
]
