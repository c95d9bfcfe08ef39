// What of etcd's messages is used here, with the numbers of their fields: etcdserver/etcdserverpb/rpc.proto and mvcc/mvccpb/kv.proto
// of etcd 3.4.

import { ProtobufMessage, ProtobufWriter } from './protobuf.ts'

export interface EtcdKeyValue {
  readonly key: Buffer
  readonly value: Buffer
  /** When the key was made, after it was last absent. */
  readonly createRevision: number
}

/** `createRevision` 0: the key is absent. */
export type EtcdCompare = { readonly key: Buffer } & ({ readonly createRevision: number } | { readonly value: Buffer })

/** `end` is the key behind the last one. */
export type EtcdOperation =
  | { readonly put: { readonly key: Buffer; readonly value: Buffer; readonly lease?: bigint } }
  | { readonly range: { readonly key: Buffer; readonly end?: Buffer; readonly limit?: number } }
  | { readonly remove: { readonly key: Buffer; readonly end: Buffer } }

/** If all of `compare` holds, `success` is done, else `failure`. */
export interface EtcdTransaction {
  readonly compare?: readonly EtcdCompare[]
  readonly success: readonly EtcdOperation[]
  readonly failure?: readonly EtcdOperation[]
}

export interface EtcdTransactionAnswer {
  readonly revision: number
  readonly succeeded: boolean
  /** What each operation found, none for those that don't look. */
  readonly found: readonly (readonly EtcdKeyValue[])[]
}

export interface EtcdWatch {
  readonly key: Buffer
  readonly end?: Buffer
  readonly fromRevision: number
  readonly withoutRemovals?: boolean
}

export interface EtcdWatchAnswer {
  readonly events: readonly { readonly isRemoval: boolean; readonly entry: EtcdKeyValue }[]
  /** Nothing more will come: what was asked for has been compacted, or the member has lost the others. */
  readonly isCanceled: boolean
}

/** Compare.CompareTarget */
const TARGET = { create: 1, value: 3 } as const
/** WatchCreateRequest.FilterType */
const NO_REMOVALS = 1
/** Event.EventType */
const REMOVAL = 1

export function encodeTransaction({ compare = [], success, failure = [] }: EtcdTransaction): Buffer {
  const message = new ProtobufWriter()
  for (const one of compare) message.message(1, writeCompare(one))
  for (const one of success) message.message(2, writeOperation(one))
  for (const one of failure) message.message(3, writeOperation(one))
  return message.finish()
}

function writeCompare(compare: EtcdCompare): ProtobufWriter {
  const isValue = 'value' in compare
  const message = new ProtobufWriter().number(2, isValue ? TARGET.value : TARGET.create).bytes(3, compare.key)
  return isValue ? message.bytes(7, compare.value) : message.number(5, compare.createRevision)
}

function writeOperation(operation: EtcdOperation): ProtobufWriter {
  const message = new ProtobufWriter()
  if ('put' in operation) {
    const { key, value, lease = 0n } = operation.put
    return message.message(2, new ProtobufWriter().bytes(1, key).bytes(2, value).number(3, lease))
  }
  if ('range' in operation) {
    const { key, end, limit = 0 } = operation.range
    return message.message(1, new ProtobufWriter().bytes(1, key).bytes(2, end).number(3, limit))
  }
  const { key, end } = operation.remove
  return message.message(3, new ProtobufWriter().bytes(1, key).bytes(2, end))
}

export function decodeTransaction(bytes: Buffer): EtcdTransactionAnswer {
  const message = new ProtobufMessage(bytes)
  const found = message
    .messages(3)
    .map((operation) => operation.messages(1).flatMap((range) => range.messages(2).map(readKeyValue)))
  return { revision: revisionOf(message), succeeded: message.number(2) === 1, found }
}

export function encodeWatch({ key, end, fromRevision, withoutRemovals = false }: EtcdWatch): Buffer {
  const create = new ProtobufWriter().bytes(1, key).bytes(2, end).number(3, fromRevision)
  if (withoutRemovals) create.number(5, NO_REMOVALS)
  // Answers that would be too large are cut between events.
  return new ProtobufWriter().message(1, create.number(8, 1)).finish()
}

export function decodeWatch(bytes: Buffer): EtcdWatchAnswer {
  const message = new ProtobufMessage(bytes)
  const events = message.messages(11).map((event) => ({
    isRemoval: event.number(1) === REMOVAL,
    entry: readKeyValue(new ProtobufMessage(event.bytes(2))),
  }))
  return { events, isCanceled: message.number(4) === 1 }
}

export function encodeLeaseGrant(ttlSeconds: number): Buffer {
  return new ProtobufWriter().number(1, ttlSeconds).finish()
}

/** Of a revocation or a renewal. */
export function encodeLease(id: bigint): Buffer {
  return new ProtobufWriter().number(1, id).finish()
}

/** Of a grant or a renewal: a lease that is gone has no time left. */
export function decodeLease(bytes: Buffer): { id: bigint; ttlSeconds: number } {
  const message = new ProtobufMessage(bytes)
  return { id: message.long(2), ttlSeconds: message.number(3) }
}

export function encodeAuthentication({ name, password }: { name: string; password: string }): Buffer {
  return new ProtobufWriter().text(1, name).text(2, password).finish()
}

export function decodeToken(bytes: Buffer): string {
  return new ProtobufMessage(bytes).bytes(2).toString()
}

function revisionOf(message: ProtobufMessage): number {
  return new ProtobufMessage(message.bytes(1)).number(3)
}

function readKeyValue(message: ProtobufMessage): EtcdKeyValue {
  return { key: message.bytes(1), value: message.bytes(5), createRevision: message.number(2) }
}
