import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import { encodeName, standsForBytes } from '#foundation/name.ts'
import { isAcl, recordWithAcl } from './acls.ts'
import { type Located, storeRecord } from './inodes.ts'
import { contentBytes, kindRange, KIND, nameOfXattrKey, xattrKey } from './keys.ts'
import type { VolumeTransaction, VolumeView } from './transaction.ts'

/** Linux' limits (xattr(7)): XATTR_NAME_MAX, XATTR_SIZE_MAX, XATTR_LIST_MAX. */
const MAX_XATTR_NAME_BYTES = 255
const MAX_XATTR_BYTES = 65_536
const MAX_XATTR_LIST_BYTES = 65_536

export function listXattrs(view: VolumeView, inode: InodeId): { name: string; value: Buffer }[] {
  const range = kindRange(view.prefix, KIND.xattr, contentBytes(inode))
  return [...view.snapshot.range(range)].map(({ key, value }) => ({ name: nameOfXattrKey(key), value }))
}

export function readXattr(view: VolumeView, inode: InodeId, name: string): Buffer | undefined {
  return view.snapshot.get(xattrKey(view.prefix, inode, name))
}

export interface XattrWrite {
  readonly name: string
  readonly value: Buffer
  /** `create` refuses to replace, `replace` to create; either by default. */
  readonly mode?: 'create' | 'replace'
}

/** @throws ALREADY_EXISTS, XATTR_NOT_FOUND, NAME_TOO_LONG, TOO_LARGE, INVALID_ARGUMENT */
export function writeXattr(t: VolumeTransaction, located: Located, { name, value, mode }: XattrWrite): void {
  const { record } = located
  checkXattr({ name, value })
  checkXattrList(t, record.inode, name)
  const before = readXattr(t, record.inode, name)
  if (mode === 'create' && before !== undefined)
    throw new ShoalError('ALREADY_EXISTS', `The extended attribute "${name}" exists already`)
  if (mode === 'replace' && before === undefined) throw xattrNotFound(name)
  const written = isAcl(name) ? recordWithAcl(record, { name, value }) : { record, isKept: true }
  if (written.isKept) t.tx.put(xattrKey(t.prefix, record.inode, name), value)
  else t.tx.delete(xattrKey(t.prefix, record.inode, name))
  const hasXattrs = written.isKept || listXattrs(t, record.inode).length > 0
  storeRecord(t, located, { ...written.record, hasXattrs, ctimeNs: t.nowNs })
  // What is made in it from now on may be made with other lists.
  if (isAcl(name)) t.forgetDirectories()
}

/** @throws XATTR_NOT_FOUND */
export function removeXattr(t: VolumeTransaction, located: Located, name: string): void {
  const { record } = located
  if (readXattr(t, record.inode, name) === undefined) throw xattrNotFound(name)
  t.tx.delete(xattrKey(t.prefix, record.inode, name))
  storeRecord(t, located, { ...record, hasXattrs: listXattrs(t, record.inode).length > 0, ctimeNs: t.nowNs })
  if (isAcl(name)) t.forgetDirectories()
}

export function removeAllXattrs(t: VolumeTransaction, inode: InodeId): void {
  for (const { name } of listXattrs(t, inode)) t.tx.delete(xattrKey(t.prefix, inode, name))
}

/** What can be said of an extended attribute without knowing the others of its entry.
 *  @throws NAME_TOO_LONG, TOO_LARGE, INVALID_ARGUMENT */
export function checkXattr({ name, value }: { readonly name: string; readonly value: Buffer }): void {
  const nameBytes = encodeName(name).length
  if (nameBytes === 0 || name.includes('\0') || !standsForBytes(name))
    throw new ShoalError('INVALID_ARGUMENT', `${JSON.stringify(name)} can't be the name of an extended attribute`)
  if (nameBytes > MAX_XATTR_NAME_BYTES)
    throw new ShoalError('NAME_TOO_LONG', `The name of an extended attribute has ${MAX_XATTR_NAME_BYTES} bytes at most`)
  if (value.length > MAX_XATTR_BYTES)
    throw new ShoalError('TOO_LARGE', `The value of "${name}" has ${value.length} bytes; ${MAX_XATTR_BYTES} are allowed`)
}

function checkXattrList(view: VolumeView, inode: InodeId, name: string): void {
  let listBytes = encodeName(name).length + 1
  for (const other of listXattrs(view, inode)) if (other.name !== name) listBytes += encodeName(other.name).length + 1
  if (listBytes > MAX_XATTR_LIST_BYTES)
    throw new ShoalError('TOO_LARGE', `The names of all extended attributes together have ${MAX_XATTR_LIST_BYTES} bytes at most`)
}

function xattrNotFound(name: string): ShoalError {
  return new ShoalError('XATTR_NOT_FOUND', `There is no extended attribute "${name}"`, { details: { name } })
}
