// Access control lists as acl(5) has them, in the form in which Linux keeps them in extended attributes (posix_acl_xattr.h).

import { ShoalError } from '#foundation/errors.ts'

export const ACCESS_ACL = 'system.posix_acl_access'
export const DEFAULT_ACL = 'system.posix_acl_default'

const VERSION = 2
const HEADER_BYTES = 4
const ENTRY_BYTES = 8
/** More would not go into an extended attribute of 64 KiB. */
const ENTRIES_MAX = 8_000
const TAGS = { 1: 'owner', 2: 'user', 4: 'group', 8: 'named-group', 16: 'mask', 32: 'other' } as const
const NO_ID = 0xffff_ffff
const PERMISSIONS = 0o7

type Tag = (typeof TAGS)[keyof typeof TAGS]

export interface AclEntry {
  readonly tag: Tag
  /** 4 read, 2 write, 1 execute. */
  readonly permissions: number
  /** Of a named user or group. */
  readonly id: number
}

/** In the order in which Linux wants them: owner, users, group, groups, mask, other. */
export type Acl = readonly AclEntry[]

/** @throws INVALID_ARGUMENT for what Linux would refuse */
export function decodeAcl(bytes: Buffer): Acl {
  const count = (bytes.length - HEADER_BYTES) / ENTRY_BYTES
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== VERSION || !Number.isInteger(count) || count > ENTRIES_MAX)
    throw invalid('it is not in the form in which Linux keeps them')
  const acl = Array.from({ length: count }, (_, index): AclEntry => {
    const at = HEADER_BYTES + index * ENTRY_BYTES
    const tag = TAGS[bytes.readUInt16LE(at) as keyof typeof TAGS] as Tag | undefined
    const permissions = bytes.readUInt16LE(at + 2)
    if (tag === undefined || permissions > PERMISSIONS) throw invalid('it has an entry that means nothing')
    return { tag, permissions, id: isNamed(tag) ? bytes.readUInt32LE(at + 4) : NO_ID }
  })
  check(acl)
  return acl
}

const ORDER: readonly Tag[] = ['owner', 'user', 'group', 'named-group', 'mask', 'other']
const isNamed = (tag: Tag): boolean => tag === 'user' || tag === 'named-group'

/** `posix_acl_valid` of Linux, with the order that setxattr(2) asks for. */
function check(acl: Acl): void {
  for (const tag of ['owner', 'group', 'other'] as const) {
    if (acl.filter((entry) => entry.tag === tag).length !== 1) throw invalid(`it needs one entry for "${tag}"`)
  }
  const masks = acl.filter(({ tag }) => tag === 'mask').length
  if (masks > 1 || (masks === 0 && acl.some(({ tag }) => isNamed(tag)))) throw invalid('named entries need one mask')
  for (const [index, entry] of acl.entries()) {
    const before = acl[index - 1]
    if (before !== undefined && ORDER.indexOf(before.tag) > ORDER.indexOf(entry.tag))
      throw invalid('its entries are not in order')
  }
}

export function encodeAcl(acl: Acl): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + acl.length * ENTRY_BYTES)
  bytes.writeUInt32LE(VERSION, 0)
  for (const [index, { tag, permissions, id }] of acl.entries()) {
    const at = HEADER_BYTES + index * ENTRY_BYTES
    const number = Object.entries(TAGS).find(([, name]) => name === tag)?.[0]
    bytes.writeUInt16LE(Number(number), at)
    bytes.writeUInt16LE(permissions, at + 2)
    bytes.writeUInt32LE(id, at + 4)
  }
  return bytes
}

/** Whether it says no more than the permission bits of a mode do. */
export const isMode = (acl: Acl): boolean => acl.length === 3

/** The mode that shows it: the mask stands for the group, if there is one. */
export function modeWithAcl(mode: number, acl: Acl): number {
  const hasMask = acl.some(({ tag }) => tag === 'mask')
  let shown = mode & ~0o777
  for (const { tag, permissions } of acl) {
    const shift = shiftOf(tag, hasMask)
    if (shift !== undefined) shown |= permissions << shift
  }
  return shown
}

/** After chmod(2). */
export function aclWithMode(acl: Acl, mode: number): Acl {
  const hasMask = acl.some(({ tag }) => tag === 'mask')
  return acl.map((entry) => {
    const shift = shiftOf(entry.tag, hasMask)
    return shift === undefined ? entry : { ...entry, permissions: (mode >> shift) & PERMISSIONS }
  })
}

/** What is made in a directory with a default list, by a program that asked for `mode`: it gets no more than both allow
 *  (`posix_acl_create_masq` of Linux). */
export function inheritedAcl(defaults: Acl, mode: number): { readonly acl: Acl; readonly mode: number } {
  const hasMask = defaults.some(({ tag }) => tag === 'mask')
  const acl = defaults.map((entry) => {
    const shift = shiftOf(entry.tag, hasMask)
    return shift === undefined ? entry : { ...entry, permissions: entry.permissions & (mode >> shift) }
  })
  return { acl, mode: modeWithAcl(mode, acl) }
}

/** Which bits of a mode an entry stands for; `undefined` for none. */
function shiftOf(tag: Tag, hasMask: boolean): number | undefined {
  if (tag === 'owner') return 6
  if (tag === 'other') return 0
  return tag === (hasMask ? 'mask' : 'group') ? 3 : undefined
}

function invalid(why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The value is no access control list: ${why}`)
}
