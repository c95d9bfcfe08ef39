import { type ErrorCode, isShoalError } from '#foundation/errors.ts'

/** Linux' numbers (asm-generic), as they go into answers. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOTTY: 25,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOLCK: 37,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  ESTALE: 116,
  EDQUOT: 122,
} as const

export type ErrnoName = keyof typeof ERRNO

/** An answer that is a failure. Handlers return it, for what is expected, or throw it. */
export class FuseError extends Error {
  readonly errno: number

  constructor(name: ErrnoName) {
    super(name)
    this.name = 'FuseError'
    this.errno = ERRNO[name]
  }
}

const shared = new Map<ErrnoName, FuseError>()

/** The one FuseError of that name. Making an error costs more than answering with one: those that are returned are made once. */
export function refusal(name: ErrnoName): FuseError {
  let error = shared.get(name)
  if (error === undefined) shared.set(name, (error = new FuseError(name)))
  return error
}

/** What a program sees of each of Shoal's errors. */
const CODE_ERRNO = {
  INVALID_ARGUMENT: 'EINVAL',
  INVALID_PATH: 'EINVAL',
  NAME_TOO_LONG: 'ENAMETOOLONG',
  UNAUTHENTICATED: 'EACCES',
  FORBIDDEN: 'EACCES',
  VOLUME_NOT_FOUND: 'ESTALE',
  VOLUME_EXISTS: 'EEXIST',
  VOLUME_NOT_EMPTY: 'ENOTEMPTY',
  NOT_FOUND: 'ENOENT',
  ALREADY_EXISTS: 'EEXIST',
  NOT_A_DIRECTORY: 'ENOTDIR',
  IS_A_DIRECTORY: 'EISDIR',
  DIRECTORY_NOT_EMPTY: 'ENOTEMPTY',
  MOVE_INTO_ITSELF: 'EINVAL',
  TOO_MANY_LINKS: 'EMLINK',
  TOO_MANY_SYMLINKS: 'ELOOP',
  NOT_PERMITTED: 'EPERM',
  PRECONDITION_FAILED: 'ESTALE',
  CONFLICT: 'EAGAIN',
  LOCKED: 'EBUSY',
  DIGEST_MISMATCH: 'EIO',
  INCOMPLETE_BODY: 'EIO',
  RANGE_NOT_SATISFIABLE: 'EINVAL',
  UPLOAD_NOT_FOUND: 'EIO',
  UPLOAD_INCOMPLETE: 'EIO',
  XATTR_NOT_FOUND: 'ENODATA',
  QUOTA_EXCEEDED: 'EDQUOT',
  NO_SPACE: 'ENOSPC',
  TOO_LARGE: 'EFBIG',
  HEADERS_TOO_LARGE: 'ENAMETOOLONG',
  LENGTH_REQUIRED: 'EIO',
  METHOD_NOT_ALLOWED: 'EIO',
  UNSUPPORTED: 'EOPNOTSUPP',
  TIMEOUT: 'ETIMEDOUT',
  CANCELLED: 'EINTR',
  BUSY: 'EAGAIN',
  CURSOR_TOO_OLD: 'ESTALE',
  CORRUPT: 'EIO',
  CHUNK_MISSING: 'EIO',
  STORAGE_FAILED: 'EIO',
  UNAVAILABLE: 'EIO',
  DATA_IN_USE: 'EBUSY',
  DATA_FORMAT: 'EIO',
  INTERNAL: 'EIO',
} as const satisfies Record<ErrorCode, ErrnoName>

/** The errno that says `error` to a program; `undefined` for what is a defect of ours (to be logged, and answered with EIO). */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof FuseError) return error.errno
  return isShoalError(error) ? ERRNO[CODE_ERRNO[error.code]] : undefined
}
