import { ShoalError } from '#foundation/errors.ts'
import type { Interval } from './arguments.ts'
import type { CommitBase } from './commit-base.ts'
import { nameOfKey } from './key-name.ts'
import { STATE_ID_BYTES } from './log-entry-format.ts'
import { MAX_KEY_BYTES } from './store.ts'
import { WriteSet } from './write-set.ts'

/** Behind every key that a caller may use: those are shorter. LMDB's pages have room for it. */
const FIRST_RESERVED_KEY = Buffer.alloc(MAX_KEY_BYTES + 1, 0xff)
export const REPLICA_ROW_KEY = Buffer.concat([FIRST_RESERVED_KEY, Buffer.from('r')])
const FORMAT = 1
const APPLIED_AT = 2 + STATE_ID_BYTES

/** How far a base has come in the log. It is changed in the same commit as what it speaks of. */
export interface ReplicaRow {
  /** Of the log. */
  readonly stateId: Buffer
  /** The base has exactly what the entries up to this one come to. */
  readonly applied: number
  /** A snapshot is being put in: the base is neither the old state nor the new one. */
  readonly isInstalling: boolean
}

/** u8 format, u8 whether it is being installed, 16 bytes id of the state, u64 applied index. */
export function encodeReplicaRow({ stateId, applied, isInstalling }: ReplicaRow): Buffer {
  const row = Buffer.alloc(APPLIED_AT + 8)
  row.set([FORMAT, isInstalling ? 1 : 0])
  row.set(stateId, 2)
  row.writeBigUInt64BE(BigInt(applied), APPLIED_AT)
  return row
}

export function decodeReplicaRow(row: Buffer): ReplicaRow {
  if (row[0] !== FORMAT) throw new ShoalError('DATA_FORMAT', 'The replica in the data folder was made by a newer release')
  const stateId = Buffer.from(row.subarray(2, APPLIED_AT))
  return { stateId, applied: Number(row.readBigUInt64BE(APPLIED_AT)), isInstalling: row[1] === 1 }
}

/** Without what callers can't have written. */
export function callersPart({ end = FIRST_RESERVED_KEY, ...interval }: Interval): Interval {
  return { ...interval, end }
}

/** What a base knows of its log; `undefined` if it has a state of its own. @throws CONFLICT if it is empty, or not whole */
export async function readReplica(base: CommitBase): Promise<ReplicaRow | undefined> {
  const found = base.get(REPLICA_ROW_KEY)
  const row = found === undefined ? undefined : decodeReplicaRow(found)
  const walk = base.range(callersPart({ start: Buffer.alloc(0), end: undefined, reverse: false, limit: 1 }))
  const isEmpty = walk.next().done === true
  walk.return?.()
  if (!isEmpty && row?.isInstalling !== true) return row
  throw new ShoalError('CONFLICT', 'There is no whole copy of the metadata here: choose the data folder of another node')
}

/** Makes the state of a base one of its own, which a new log can rest on. Durable when it resolves. @throws NO_SPACE, STORAGE_FAILED */
export async function detachReplica(base: CommitBase): Promise<void> {
  const writes = new WriteSet()
  writes.set(nameOfKey(REPLICA_ROW_KEY), { key: REPLICA_ROW_KEY, value: undefined })
  await base.commit(writes)
}
