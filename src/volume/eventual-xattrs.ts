import type { EntryValue } from '#eventual/entry.ts'
import { ShoalError } from '#foundation/errors.ts'
import { checkXattr } from './volume.ts'

/** Tags with it are extended attributes. */
export const XATTR_PREFIX = 'x.'

type Tags = EntryValue['tags']

export function xattrNames(tags: Tags): string[] {
  return [...tags.keys()].flatMap((name) => (name.startsWith(XATTR_PREFIX) ? [name.slice(XATTR_PREFIX.length)] : [])).toSorted()
}

/** @throws ALREADY_EXISTS, XATTR_NOT_FOUND by `mode`; what `checkXattr` throws */
export function withXattr(tags: Tags, xattr: { name: string; value: Buffer; mode?: 'create' | 'replace' }): Tags {
  const { name, value, mode } = xattr
  checkXattr({ name, value })
  const isThere = tags.has(XATTR_PREFIX + name)
  if (mode === 'create' && isThere) throw new ShoalError('ALREADY_EXISTS', `There is an extended attribute "${name}" already`)
  if (mode === 'replace' && !isThere) throw noSuchXattr(name)
  return new Map([...tags, [XATTR_PREFIX + name, value]])
}

/** @throws XATTR_NOT_FOUND */
export function withoutXattr(tags: Tags, name: string): Tags {
  const left = new Map(tags)
  if (!left.delete(XATTR_PREFIX + name)) throw noSuchXattr(name)
  return left
}

function noSuchXattr(name: string): ShoalError {
  return new ShoalError('XATTR_NOT_FOUND', `There is no extended attribute "${name}"`)
}
