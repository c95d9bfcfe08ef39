// What the checks of a namespace share. A check is a generator over one snapshot that never waits: it yields a finding, or
// nothing for each row it has looked at, so that its driver can give others their turn and mend as findings come.

import { type InodeId, ROOT_INODE } from '#foundation/ids.ts'
import type { Snapshot } from '#kv/store.ts'
import type { FsckProblem } from './fsck-problems.ts'
import { IdSet } from './id-set.ts'
import {
  contentBytes,
  inodeKey,
  KIND,
  type KeyPrefix,
  keyOfVersionKey,
  parentOfEntryKey,
  readEntryKey,
  sequenceOfVersionKey,
} from './keys.ts'
import { sequenceOf } from './object-part.ts'
import { decodeLink, decodePointer, decodeRecord, type InodeRecord } from './record.ts'
import type { Repair } from './repair.ts'
import { VolumeView, type VolumeTransaction } from './transaction.ts'
import type { VolumeRecord } from './volumes.ts'

export interface Finding {
  readonly problem: FsckProblem
  /** A path as the command line writes it (`docs:/a/b`), or a row in words. */
  readonly where: string
  readonly detail: string
  /** Mends it, if it still holds in the state that the transaction sees. Absent: it can't be mended. */
  readonly mend?: (repair: Repair) => void
}

/** `undefined`: another row was looked at. */
export type Steps<T = void> = Generator<Finding | undefined, T, undefined>

/** Names what is on the garbage list: the volume's prefix and the content, upload, or nothing. */
export function discardedKey(prefix: Uint8Array, what: Uint8Array): string {
  return `${Buffer.from(prefix).toString('latin1')}${Buffer.from(what).toString('latin1')}`
}

/** What is on the garbage list, and what unfinished commits have prepared: about 100 bytes of memory each. */
export interface Discarded {
  /** By `discardedKey`; the value is the row's key. */
  readonly rows: ReadonlyMap<string, Buffer>
  /** Those whose rows don't own their chunks: moved ones, and prepared ones that aren't on the list. */
  readonly notOwning: ReadonlySet<string>
}

export interface VolumeCheckOptions {
  readonly snapshot: Snapshot
  readonly prefix: KeyPrefix
  readonly record: VolumeRecord
  readonly discarded: Discarded
  /** Compare digests too. */
  readonly verify: boolean
}

/** One volume under check, and what the checks have learnt so far. Memory: some bits for each id in use, and about 200
 *  bytes for each file of several names. */
export class VolumeCheck extends VolumeView {
  readonly record: VolumeRecord
  readonly discarded: Discarded
  readonly verify: boolean
  /** Contents that a record has, by where they are. */
  readonly inlineOwned = new IdSet()
  readonly tableOwned = new IdSet()
  /** Directories from which the root can be reached, and those whose break has been reported. */
  readonly settled = new IdSet()
  /** Inodes whose own row is wrong, with the entry that holds their record. */
  readonly adopted = new Map<InodeId, Buffer>()
  /** Directories that entries name as their parent and that aren't there. */
  readonly lostParents = new Set<InodeId>()
  /** Inodes that have a record in more places than one. */
  readonly twins = new Set<InodeId>()
  /** How many link entries name an inode, and the first of them. */
  readonly names = new Map<InodeId, { count: number; readonly entry: Buffer }>()
  files = 0
  bytes = 0
  largestId: number = ROOT_INODE

  constructor(options: VolumeCheckOptions) {
    super(options.snapshot, options.prefix)
    this.record = options.record
    this.discarded = options.discarded
    this.verify = options.verify
  }

  count(record: InodeRecord): void {
    this.files += 1
    if (record.type === 'file') this.bytes += record.sizeBytes
    this.seeId(record.inode)
    this.seeId(record.content)
    this.seeId(sequenceOf(record.object))
  }

  seeId(id: number): void {
    if (id > this.largestId) this.largestId = id
  }

  isDiscarded(content: number): boolean {
    return this.discarded.rows.has(discardedKey(this.prefix, contentBytes(content)))
  }

  isPrepared(content: number): boolean {
    return this.discarded.notOwning.has(discardedKey(this.prefix, contentBytes(content)))
  }

  /** Runs `fn` on this volume when the finding is mended. */
  mend(fn: (t: VolumeTransaction) => void): (repair: Repair) => void {
    return (repair) => fn(repair.open(this.prefix, this.record))
  }
}

export type InodeState =
  | { readonly kind: 'absent' | 'unreadable' }
  | { readonly kind: 'dangling'; readonly entry: Buffer }
  | { readonly kind: 'shared'; readonly record: InodeRecord }
  | { readonly kind: 'embedded'; readonly record: InodeRecord; readonly entry: Buffer }

/** What an inode's row leads to, without complaint. */
export function lookAtInode(view: VolumeView, inode: InodeId): InodeState {
  const row = view.snapshot.get(inodeKey(view.prefix, inode))
  return row === undefined ? { kind: 'absent' } : lookAtRow(view, inode, row)
}

export function lookAtRow(view: VolumeView, inode: InodeId, row: Buffer): InodeState {
  const pointer = decodePointer(row)
  if (pointer === undefined) {
    const record = tryDecodeRecord(row)
    return record === undefined ? { kind: 'unreadable' } : { kind: 'shared', record }
  }
  if (!isEntryKey(pointer, view.prefix)) return { kind: 'unreadable' }
  const record = embeddedRecord(view, pointer)
  return record?.inode === inode ? { kind: 'embedded', record, entry: pointer } : { kind: 'dangling', entry: pointer }
}

/** The same, where an entry may stand in for a wrong row. */
export function findInodeState(check: VolumeCheck, inode: InodeId): InodeState {
  const state = lookAtInode(check, inode)
  if (state.kind === 'shared' || state.kind === 'embedded') return state
  const entry = check.adopted.get(inode)
  const record = entry === undefined ? undefined : embeddedRecord(check, entry)
  return entry === undefined || record === undefined ? state : { kind: 'embedded', record, entry }
}

export function isEntryKey(key: Buffer, prefix: KeyPrefix): boolean {
  return key.length >= 17 && key[8] === KIND.entry && key.subarray(0, 8).equals(prefix)
}

export function embeddedRecord(view: VolumeView, entry: Buffer): InodeRecord | undefined {
  const value = view.snapshot.get(entry)
  return value === undefined ? undefined : tryDecodeRecord(value)
}

export function tryDecodeRecord(value: Buffer): InodeRecord | undefined {
  try {
    return decodeRecord(value)
  } catch {
    return undefined
  }
}

/** A link's inode, a record, or `undefined` for neither. */
export function readEntryValue(value: Buffer): { link: InodeId } | { record: InodeRecord } | undefined {
  const link = decodeLink(value)
  if (link !== undefined) return { link }
  const record = tryDecodeRecord(value)
  return record === undefined ? undefined : { record }
}

/** Where an inode is, as well as it can be told. */
export function placeOfInode(check: VolumeCheck, inode: InodeId): string {
  const names: string[] = []
  const seen = new Set<InodeId>()
  let at = inode
  while (at !== ROOT_INODE) {
    const state = findInodeState(check, at)
    const entry = state.kind === 'embedded' ? state.entry : check.names.get(at)?.entry
    if (entry === undefined || seen.has(at)) return `${check.record.name}:${[`(inode ${at})`, ...names.toReversed()].join('/')}`
    seen.add(at)
    names.push(readEntryKey(entry).name)
    at = parentOfEntryKey(entry)
  }
  return `${check.record.name}:/${names.toReversed().join('/')}`
}

/** The key and number of a version that is not current. */
export function placeOfVersion(check: VolumeCheck, slot: Buffer): string {
  return `${check.record.name}:/${keyOfVersionKey(slot).toString()} (version ${sequenceOfVersionKey(slot)})`
}

export function placeOfEntry(check: VolumeCheck, entry: Buffer): string {
  const directory = placeOfInode(check, parentOfEntryKey(entry))
  return `${directory}${directory.endsWith('/') ? '' : '/'}${readEntryKey(entry).name}`
}
