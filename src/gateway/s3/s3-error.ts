import { ShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'

/** The error codes of S3 that the door answers with, and their statuses, as the API reference has them ("Error
 *  responses", "List of error codes"). Those without a place there say so. */
export const S3_STATUS = {
  AccessControlListNotSupported: 400,
  AccessDenied: 403,
  /** Of preflights: what the answer to one says. */
  AccessForbidden: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BadRequest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  IllegalLocationConstraintException: 400,
  IncompleteBody: 400,
  IncorrectNumberOfFilesInPostRequest: 400,
  /** Not in the reference: a disk without room, after HTTP's 507. */
  InsufficientStorage: 507,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketAclWithObjectOwnership: 400,
  InvalidBucketName: 400,
  InvalidBucketState: 409,
  InvalidChunkSizeError: 403,
  InvalidDigest: 400,
  InvalidEncryptionAlgorithmError: 400,
  InvalidLocationConstraint: 400,
  InvalidObjectState: 403,
  InvalidPart: 400,
  InvalidPartNumber: 416,
  InvalidPartOrder: 400,
  InvalidPolicyDocument: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidRetentionPeriod: 400,
  InvalidStorageClass: 400,
  InvalidTag: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedACLError: 400,
  MalformedPolicy: 400,
  MalformedPOSTRequest: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MaxPostPreDataLengthExceeded: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  MissingFields: 400,
  MissingRequestBodyError: 400,
  MissingSecurityHeader: 400,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchObjectLockConfiguration: 404,
  NoSuchPublicAccessBlockConfiguration: 404,
  NoSuchTagSet: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NoSuchWebsiteConfiguration: 404,
  NotImplemented: 501,
  NotModified: 304,
  ObjectLockConfigurationNotFoundError: 404,
  OperationAborted: 409,
  OwnershipControlsNotFoundError: 404,
  PreconditionFailed: 412,
  /** Ceph's; S3 itself has no quotas. */
  QuotaExceeded: 403,
  ReplicationConfigurationNotFoundError: 404,
  RequestHeaderSectionTooLarge: 400,
  RequestTimeout: 400,
  RequestTimeTooSkewed: 403,
  ServerSideEncryptionConfigurationNotFoundError: 404,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
  TooManyBuckets: 400,
  UnresolvableGrantByEmailAddress: 400,
  UserKeyMustBeSpecified: 400,
  XAmzContentChecksumMismatch: 400,
  XAmzContentSHA256Mismatch: 400,
} as const satisfies Record<string, number>

export type S3Code = keyof typeof S3_STATUS

export interface S3ErrorOptions {
  /** Elements of the answer beside Code, Message, Resource and RequestId: `{ BucketName: 'photos' }`. */
  readonly elements?: Readonly<Record<string, string | number>>
  /** Headers of the answer, names and values in turn. */
  readonly headers?: readonly string[]
  readonly cause?: unknown
}

/** An error that S3 has a code for and Shoal has not. It is a `ShoalError` on its way through the layers below. */
export class S3Error extends ShoalError {
  readonly s3Code: S3Code
  readonly elements: Readonly<Record<string, string | number>>
  readonly headers: readonly string[]

  constructor(s3Code: S3Code, message: string, options: S3ErrorOptions = {}) {
    super(SHOAL_CODE[S3_STATUS[s3Code]], message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'S3Error'
    this.s3Code = s3Code
    this.elements = options.elements ?? {}
    this.headers = options.headers ?? []
  }
}

const SHOAL_CODE = {
  304: 'PRECONDITION_FAILED',
  400: 'INVALID_ARGUMENT',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  409: 'CONFLICT',
  411: 'LENGTH_REQUIRED',
  412: 'PRECONDITION_FAILED',
  416: 'RANGE_NOT_SATISFIABLE',
  500: 'INTERNAL',
  501: 'UNSUPPORTED',
  503: 'BUSY',
  507: 'NO_SPACE',
} as const satisfies Record<(typeof S3_STATUS)[S3Code], ErrorCode>

/** What each of Shoal's own errors is called in S3. */
export const S3_CODE = {
  INVALID_ARGUMENT: 'InvalidArgument',
  INVALID_PATH: 'InvalidURI',
  NAME_TOO_LONG: 'KeyTooLongError',
  UNAUTHENTICATED: 'AccessDenied',
  FORBIDDEN: 'AccessDenied',
  VOLUME_NOT_FOUND: 'NoSuchBucket',
  VOLUME_EXISTS: 'BucketAlreadyExists',
  VOLUME_NOT_EMPTY: 'BucketNotEmpty',
  NOT_FOUND: 'NoSuchKey',
  ALREADY_EXISTS: 'OperationAborted',
  NOT_A_DIRECTORY: 'InvalidObjectState',
  IS_A_DIRECTORY: 'InvalidObjectState',
  DIRECTORY_NOT_EMPTY: 'OperationAborted',
  MOVE_INTO_ITSELF: 'InvalidRequest',
  TOO_MANY_LINKS: 'InvalidRequest',
  TOO_MANY_SYMLINKS: 'InvalidRequest',
  NOT_PERMITTED: 'AccessDenied',
  PRECONDITION_FAILED: 'PreconditionFailed',
  CONFLICT: 'ConditionalRequestConflict',
  DIGEST_MISMATCH: 'BadDigest',
  INCOMPLETE_BODY: 'IncompleteBody',
  RANGE_NOT_SATISFIABLE: 'InvalidRange',
  LOCKED: 'OperationAborted',
  UPLOAD_NOT_FOUND: 'NoSuchUpload',
  UPLOAD_INCOMPLETE: 'InvalidPart',
  XATTR_NOT_FOUND: 'NoSuchKey',
  QUOTA_EXCEEDED: 'QuotaExceeded',
  NO_SPACE: 'InsufficientStorage',
  TOO_LARGE: 'EntityTooLarge',
  HEADERS_TOO_LARGE: 'RequestHeaderSectionTooLarge',
  LENGTH_REQUIRED: 'MissingContentLength',
  METHOD_NOT_ALLOWED: 'MethodNotAllowed',
  UNSUPPORTED: 'NotImplemented',
  TIMEOUT: 'RequestTimeout',
  CANCELLED: 'RequestTimeout',
  BUSY: 'SlowDown',
  CURSOR_TOO_OLD: 'InvalidArgument',
  CORRUPT: 'InternalError',
  CHUNK_MISSING: 'InternalError',
  STORAGE_FAILED: 'ServiceUnavailable',
  UNAVAILABLE: 'ServiceUnavailable',
  DATA_IN_USE: 'ServiceUnavailable',
  DATA_FORMAT: 'InternalError',
  INTERNAL: 'InternalError',
} as const satisfies Record<ErrorCode, S3Code>

/** `error` as S3 calls it. */
export function s3CodeOf(error: ShoalError): S3Code {
  return error instanceof S3Error ? error.s3Code : S3_CODE[error.code]
}
