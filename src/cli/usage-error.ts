import { ShoalError } from '#foundation/errors.ts'

/** The command was called in a way it can't be: exit code 2. */
export function usageError(message: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', message, { details: { usage: true } })
}
