import { ShoalError } from '#foundation/errors.ts'
import { TIME_NS_MAX } from '#foundation/timestamp.ts'
import type { AttributeChanges } from '#metadata/files.ts'

/** @throws INVALID_ARGUMENT for what the record of an inode has no room for */
export function checkAttributes(changes: AttributeChanges & { readonly rdev?: number }): void {
  const { mode, uid, gid, rdev, atimeNs, mtimeNs } = changes
  if (mode !== undefined && (!Number.isInteger(mode) || mode < 0 || mode > 0o7777))
    throw new ShoalError('INVALID_ARGUMENT', `The mode ${mode} is not between 0 and 7777 (octal)`)
  checkNumber('uid', uid)
  checkNumber('gid', gid)
  checkNumber('rdev', rdev)
  checkTime('atimeNs', atimeNs)
  checkTime('mtimeNs', mtimeNs)
}

function checkNumber(field: string, value: number | undefined): void {
  if (value !== undefined && (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff))
    throw new ShoalError('INVALID_ARGUMENT', `The ${field} ${value} is not a number of 32 bits`)
}

function checkTime(field: string, value: bigint | undefined): void {
  if (value !== undefined && (value > TIME_NS_MAX || value < -TIME_NS_MAX))
    throw new ShoalError('INVALID_ARGUMENT', `The ${field} ${value} is not within the years 1677 to 2262`)
}
