// What access control lists have to do with modes and with what is made in a directory: acl(5).

import { ShoalError } from '#foundation/errors.ts'
import type { NewInode } from './entries.ts'
import type { InodeRecord } from './record.ts'
import {
  ACCESS_ACL,
  type Acl,
  aclWithMode,
  decodeAcl,
  DEFAULT_ACL,
  encodeAcl,
  inheritedAcl,
  isMode,
  modeWithAcl,
} from './posix-acl.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'
import { xattrKey } from './keys.ts'

export const isAcl = (name: string): boolean => name === ACCESS_ACL || name === DEFAULT_ACL

/** What writing a list makes of a record: `isKept` is false for one that the mode says as well. @throws INVALID_ARGUMENT */
export function recordWithAcl(
  record: InodeRecord,
  { name, value }: { readonly name: string; readonly value: Buffer },
): { readonly record: InodeRecord; readonly isKept: boolean } {
  const acl = decodeAcl(value)
  if (name === DEFAULT_ACL) {
    if (record.type === 'directory') return { record, isKept: true }
    throw new ShoalError('INVALID_ARGUMENT', `A ${record.type} has no default access control list: only directories have`)
  }
  return { record: { ...record, mode: modeWithAcl(record.mode, acl) }, isKept: !isMode(acl) }
}

/** chmod(2) changes the list as well. */
export function chmodAcl(t: VolumeTransaction, record: InodeRecord, mode: number): void {
  const acl = findAcl(t, record, ACCESS_ACL)
  if (acl === undefined) return
  t.tx.put(xattrKey(t.prefix, record.inode, ACCESS_ACL), encodeAcl(aclWithMode(acl, mode)))
}

export interface Inherited {
  readonly mode: number
  readonly xattrs: readonly { readonly name: string; readonly value: Buffer }[]
}

/** What is made in `directory` gets of its default list. */
export function inheritAcls(
  t: VolumeTransaction,
  directory: InodeRecord,
  { type, mode }: Pick<NewInode, 'type' | 'mode'>,
): Inherited {
  const defaults = type === 'symlink' ? undefined : findAcl(t, directory, DEFAULT_ACL)
  if (defaults === undefined) return { mode, xattrs: [] }
  const made = inheritedAcl(defaults, mode)
  const xattrs = isMode(made.acl) ? [] : [{ name: ACCESS_ACL, value: encodeAcl(made.acl) }]
  if (type === 'directory') xattrs.push({ name: DEFAULT_ACL, value: encodeAcl(defaults) })
  return { mode: made.mode, xattrs }
}

function findAcl(view: VolumeView, { inode, hasXattrs }: InodeRecord, name: string): Acl | undefined {
  const value = hasXattrs ? view.snapshot.get(xattrKey(view.prefix, inode, name)) : undefined
  return value === undefined ? undefined : decodeAcl(value)
}
