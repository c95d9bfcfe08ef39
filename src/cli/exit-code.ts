import type { ErrorCode } from '#foundation/errors.ts'
import { isShoalError } from '#foundation/errors.ts'

export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  connection: 5,
  problemsFound: 6,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each exit code means, for `shoal help exit-codes` and docs/cli.md. */
export const EXIT_CODES: readonly { readonly code: ExitCode; readonly meaning: string }[] = [
  { code: EXIT.ok, meaning: 'done' },
  { code: EXIT.failure, meaning: 'something failed; with several files, at least one of them' },
  {
    code: EXIT.usage,
    meaning: 'the command was called wrongly: an unknown option, a missing operand, a value that is not allowed',
  },
  { code: EXIT.notFound, meaning: 'the volume, file or directory does not exist' },
  { code: EXIT.refused, meaning: 'the node refused: unknown keys, or no permission' },
  { code: EXIT.connection, meaning: 'the node could not be reached, or the connection broke for good' },
  { code: EXIT.problemsFound, meaning: 'fsck found problems (also where it has repaired them), or backup verify did' },
  { code: EXIT.interrupted, meaning: 'interrupted by the user' },
]

const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  INVALID_ARGUMENT: EXIT.usage,
  INVALID_PATH: EXIT.usage,
  NAME_TOO_LONG: EXIT.usage,
  UNAUTHENTICATED: EXIT.refused,
  FORBIDDEN: EXIT.refused,
  NOT_PERMITTED: EXIT.refused,
  VOLUME_NOT_FOUND: EXIT.notFound,
  NOT_FOUND: EXIT.notFound,
  UPLOAD_NOT_FOUND: EXIT.notFound,
  CANCELLED: EXIT.interrupted,
}

export function exitCodeOf(error: unknown): ExitCode {
  if (!isShoalError(error)) return (error as { code?: unknown } | undefined)?.code === 'ENOENT' ? EXIT.notFound : EXIT.failure
  if (error.details['connection'] === true) return EXIT.connection
  return BY_ERROR[error.code] ?? EXIT.failure
}
