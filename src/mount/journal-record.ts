import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { AttributeChanges } from '#volume/volume.ts'

/** Where a change happened: the file by the number under which the mount shows it, and what the cluster had of it, unless an
 *  earlier change of the journal tells. Paths are text, as `formatPath` makes it. */
interface Touched {
  readonly path: string
  readonly inode: InodeId
  readonly base?: Attributes
  readonly timeNs: bigint
}

/** A change that a program was told is made. */
export type JournalChange =
  | (Touched & {
      readonly op: 'create' | 'mkdir' | 'symlink'
      readonly mode: number
      readonly uid: number
      readonly gid: number
      /** Of a symbolic link, in base64. */
      readonly target?: string
    })
  /** The bytes follow the record. */
  | (Touched & { readonly op: 'write'; readonly offset: number; readonly length: number })
  | (Touched & { readonly op: 'truncate'; readonly sizeBytes: number })
  | (Touched & { readonly op: 'attributes'; readonly changes: AttributeChanges })
  | (Touched & { readonly op: 'remove' })
  | (Touched & {
      readonly op: 'rename'
      readonly to: string
      readonly replaces?: { readonly inode: InodeId; readonly base?: Attributes }
    })

export type Change<Op extends JournalChange['op']> = Extract<JournalChange, { readonly op: Op }>

/** The cluster has changes, by their numbers; `entry` is what it has of `inode` from then on. */
export interface JournalSettled {
  readonly op: 'settled'
  readonly numbers: readonly number[]
  readonly inode: InodeId
  readonly entry?: Attributes
}

/** Changes, by their numbers, that are sent to the cluster from here on, each list in one step: the cluster may have them. */
export interface JournalSent {
  readonly op: 'sent'
  readonly groups: readonly (readonly number[])[]
}

/** All that is in front of `position` of that file of the journal survives a power failure. */
export interface JournalFlushed {
  readonly op: 'flushed'
  readonly segment: number
  readonly position: number
}

export type JournalRecord =
  | { readonly number: number; readonly change: JournalChange }
  | JournalSettled
  | JournalSent
  | JournalFlushed

export function encodeRecord(record: JournalRecord): string {
  return JSON.stringify(plain(record))
}

/** What JSON can say, by itself: a function that it asks about each value would take five times as long, and each change of a program
 *  waits for it. */
function plain(record: object): Readonly<Record<string, unknown>> {
  const out: Record<string, unknown> = {}
  for (const key in record) {
    const value = (record as Readonly<Record<string, unknown>>)[key]
    if (typeof value === 'bigint') out[key] = `${value}n`
    else out[key] = typeof value === 'object' && value?.constructor === Object ? plain(value) : value
  }
  return out
}

/** @throws CORRUPT */
export function decodeRecord(bytes: Buffer): JournalRecord {
  try {
    return JSON.parse(bytes.toString('utf8'), (key, value: unknown) =>
      key.endsWith('Ns') && typeof value === 'string' ? BigInt(value.slice(0, -1)) : key === 'sha256' ? digestOf(value) : value,
    ) as JournalRecord
  } catch (cause) {
    throw new ShoalError('CORRUPT', 'A record of the journal can’t be read', { cause })
  }
}

/** Buffers go through JSON as `{ type, data }`. */
function digestOf(value: unknown): Buffer | undefined {
  const { data } = (value ?? {}) as { data?: number[] }
  return data === undefined ? undefined : Buffer.from(data)
}

/** What is to be changed, without what isn't. */
export function given(changes: AttributeChanges): AttributeChanges {
  const entries = Object.entries(changes)
  if (entries.every(([, value]) => value !== undefined)) return changes
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as AttributeChanges
}

/** A change with what the cluster is known to have by now of the inodes that it is about. */
export function withKnown(change: JournalChange, known: ReadonlyMap<InodeId, Attributes>): JournalChange {
  const base = known.get(change.inode)
  const based = base === undefined ? change : { ...change, base }
  if (based.op !== 'rename' || based.replaces === undefined) return based
  const replaced = known.get(based.replaces.inode)
  return replaced === undefined ? based : { ...based, replaces: { ...based.replaces, base: replaced } }
}
