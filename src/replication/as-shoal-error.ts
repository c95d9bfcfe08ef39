import { isShoalError } from '#foundation/errors.ts'
import type { ShoalError } from '#foundation/errors.ts'

/** Failures cross nodes as ShoalErrors; a defect stays one. */
export function asShoalError(error: unknown): ShoalError {
  if (isShoalError(error)) return error
  throw error
}
