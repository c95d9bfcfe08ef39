// What changed, when, by whom: a bounded ring of rows, numbered without gaps. A cursor is the number of the next change.

import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import type { FileType } from './attributes.ts'
import { CHANGE_COUNTER_KEY, changeKey, idOfKey, readU64, writeU64 } from './keys.ts'

export const CHANGE_KINDS = [
  'create',
  'write',
  'attributes',
  'remove',
  'rename',
  'link',
  'volume-create',
  'volume-update',
  'volume-remove',
] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

export interface ChangeFields {
  readonly kind: ChangeKind
  readonly inode?: InodeId
  readonly parent?: InodeId
  readonly type?: FileType
  /** Names joined by slashes, as `formatPath` writes them. */
  readonly path: string
  readonly from?: string
  /** Of a rename: the directory that it was in before. */
  readonly fromParent?: InodeId
}

/** Where a change happened, by whom and when. */
export interface ChangeOrigin {
  readonly volume: string
  readonly principal: string
  readonly timeNs: bigint
}

export interface ChangeRecord extends ChangeFields, ChangeOrigin {}

/** Takes changes down. */
export interface ChangeLog {
  append(change: ChangeFields, origin: ChangeOrigin): void
}

export interface ChangeSettings {
  /** How many changes are kept at least. */
  readonly ringEntries: number
  /** Called inside the transaction for each change: afterwards, followers are told. */
  readonly onAppend: () => void
}

/** Old rows go in strides, so that most changes cost one row and no removal. */
const TRIM_STRIDE = 256

/** The feed inside one transaction: numbers are read and written once, however many changes there are. */
export class TransactionChanges implements ChangeLog {
  readonly #tx: Transaction
  readonly #ringEntries: number
  #first: number | undefined
  #next = 0

  constructor(tx: Transaction, ringEntries: number) {
    this.#tx = tx
    this.#ringEntries = ringEntries
  }

  /** How many changes were appended. */
  get count(): number {
    return this.#first === undefined ? 0 : this.#next - this.#first
  }

  append(change: ChangeFields, origin: ChangeOrigin): void {
    if (this.#first === undefined) this.#next = this.#first = nextChange(this.#tx)
    const number = this.#next
    this.#next += 1
    this.#tx.put(changeKey(number), encodeChange(change, origin))
    if (number % TRIM_STRIDE === 0 && number > this.#ringEntries) trim(this.#tx, number - this.#ringEntries)
  }

  /** Forgets all but the first `count` changes, whose rows the caller has undone. */
  rewind(count: number): void {
    if (this.#first !== undefined) this.#next = this.#first + count
  }

  /** The last call. */
  finish(): void {
    if (this.count === 0) return
    const counter = Buffer.allocUnsafe(8)
    writeU64(counter, this.#next, 0)
    this.#tx.put(CHANGE_COUNTER_KEY, counter)
  }
}

/** Appends one change by itself. */
export function appendChange(
  tx: Transaction,
  { change, origin }: { change: ChangeFields; origin: ChangeOrigin },
  { ringEntries, onAppend }: ChangeSettings,
): void {
  const changes = new TransactionChanges(tx, ringEntries)
  changes.append(change, origin)
  changes.finish()
  onAppend()
}

/** JSON, put together by hand: the names are known, and most values need no quoting. */
function encodeChange({ kind, inode, parent, type, path, from, fromParent }: ChangeFields, origin: ChangeOrigin): Buffer {
  const { volume, principal, timeNs } = origin
  let json = `{"kind":"${kind}"`
  if (inode !== undefined) json += `,"inode":${inode}`
  if (parent !== undefined) json += `,"parent":${parent}`
  if (type !== undefined) json += `,"type":"${type}"`
  json += `,"path":${JSON.stringify(path)}`
  if (from !== undefined) json += `,"from":${JSON.stringify(from)}`
  if (fromParent !== undefined) json += `,"fromParent":${fromParent}`
  json += `,"volume":${JSON.stringify(volume)},"principal":${JSON.stringify(principal)},"timeNs":"${timeNs}"}`
  return Buffer.from(json)
}

function trim(tx: Transaction, before: number): void {
  const from = Math.max(1, before - TRIM_STRIDE)
  for (let number = from; number < before; number += 1) tx.delete(changeKey(number))
  // Older ones are there only after the ring was made smaller; to look for them costs more than to remove a known row.
  if (from === 1 || tx.get(changeKey(from - 1)) === undefined) return
  const old = [...tx.range({ start: changeKey(0), end: changeKey(from), limit: TRIM_STRIDE * 2 })]
  for (const { key } of old) tx.delete(key)
}

/** The number that the next change will get; the first is 1. */
export function nextChange(snapshot: Snapshot): number {
  const bytes = snapshot.get(CHANGE_COUNTER_KEY)
  return bytes === undefined ? 1 : readU64(bytes, 0)
}

export interface NumberedChange extends ChangeRecord {
  readonly number: number
}

/** Up to `limit` changes from number `from` on. @throws CURSOR_TOO_OLD when some of them are no longer kept */
export function readChanges(snapshot: Snapshot, { from, limit }: { from: number; limit: number }): NumberedChange[] {
  const next = nextChange(snapshot)
  if (from > next) {
    throw new ShoalError(
      'CURSOR_TOO_OLD',
      `The cursor ${from} is ahead of the newest change (${next - 1}): this is another or a restored cluster; read everything anew`,
    )
  }
  const changes: NumberedChange[] = []
  // Who only wants to know that there is nothing new asks often.
  if (from === next) return changes
  for (const { key, value } of snapshot.range({ start: changeKey(from), end: changeKey(next), limit })) {
    changes.push(decodeChange(idOfKey(key), value))
  }
  if (from < next && changes[0]?.number !== from) {
    throw new ShoalError(
      'CURSOR_TOO_OLD',
      `Changes from ${from} on are no longer kept: read everything anew, then follow from a fresh cursor`,
    )
  }
  return changes
}

/** The change in a row, or `undefined` for bytes that are none. */
export function tryDecodeChange(number: number, value: Buffer): NumberedChange | undefined {
  try {
    const change = decodeChange(number, value)
    return CHANGE_KINDS.includes(change.kind) && typeof change.path === 'string' ? change : undefined
  } catch {
    return undefined
  }
}

function decodeChange(number: number, value: Buffer): NumberedChange {
  const stored = JSON.parse(value.toString('utf8')) as Omit<ChangeRecord, 'timeNs'> & { timeNs: string }
  return { ...stored, timeNs: BigInt(stored.timeNs), number }
}
