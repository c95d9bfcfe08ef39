import { ShoalError } from '#foundation/errors.ts'
import type { Interval } from './arguments.ts'
import { STATE_ID_BYTES } from './log-entry-format.ts'
import { MAX_KEY_BYTES } from './store.ts'

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
