import type { ChunkId } from '#foundation/ids.ts'
import type { KeyValueStore, Transaction } from '#kv/store.ts'
import { decodeTaskState, encodeTaskState } from './task-state.ts'
import type { TaskState } from './task-state.ts'
import type { Decision, SuspectRange, Suspects, TaskCommit, TaskStore } from './task-store.ts'

/** `T` among the rows that belong to no volume: docs/formats/tracker.md. */
const PREFIX = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x54])
export const TRACKER_ROWS = { start: PREFIX, end: Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x55]) }
const STATE = 0x73 // s: task, "!" for a dry run
const SUSPECT = 0x63 // c: chunk
const DECISION = 0x64 // d: number
/** About 2 MiB of rows; those before them go. */
const DECISIONS_MAX = 10_000

/** Keeps the tracker's rows in the key-value store of the system shard. */
export class KvTaskStore implements TaskStore {
  readonly #kv: KeyValueStore
  readonly #decisionsMax: number

  constructor(kv: KeyValueStore, { decisionsMax = DECISIONS_MAX }: { decisionsMax?: number } = {}) {
    this.#kv = kv
    this.#decisionsMax = decisionsMax
  }

  async load(): Promise<readonly TaskState[]> {
    return this.#kv.read((snapshot) => [...snapshot.range(kindRange(STATE))].map(({ value }) => decodeTaskState(value)))
  }

  async commit({ states = [], decisions = [], suspects }: TaskCommit): Promise<void> {
    await this.#kv.transact((tx) => {
      for (const state of states) tx.put(stateKey(state), encodeTaskState(state))
      if (suspects !== undefined) replaceSuspects(tx, suspects.range, suspects.found)
      if (decisions.length > 0) this.#append(tx, decisions)
    })
  }

  async suspects(range: SuspectRange): Promise<Suspects> {
    return this.#kv.read((snapshot) => new Map(listSuspects(snapshot, range)))
  }

  async decisions(limit: number): Promise<readonly Decision[]> {
    return this.#kv.read((snapshot) => {
      const rows = [...snapshot.range({ ...kindRange(DECISION), reverse: true, limit })]
      return rows.map(({ value }) => JSON.parse(value.toString('utf8')) as Decision)
    })
  }

  #append(tx: Transaction, decisions: readonly Decision[]): void {
    const last = [...tx.range({ ...kindRange(DECISION), reverse: true, limit: 1 })][0]
    const from = last === undefined ? 1 : numberOf(last.key) + 1
    for (const [index, decision] of decisions.entries()) {
      tx.put(decisionKey(from + index), Buffer.from(JSON.stringify(decision)))
    }
    const keptFrom = from + decisions.length - this.#decisionsMax
    if (keptFrom <= 0) return
    for (const { key } of tx.range({ ...kindRange(DECISION), end: decisionKey(keptFrom) })) tx.delete(key)
  }
}

function replaceSuspects(tx: Transaction, range: SuspectRange, found: Suspects): void {
  for (const [chunk] of listSuspects(tx, range)) if (!found.has(chunk)) tx.delete(suspectKey(chunk))
  for (const [chunk, walk] of found) {
    const value = Buffer.alloc(4)
    value.writeUInt32BE(walk)
    tx.put(suspectKey(chunk), value)
  }
}

function* listSuspects(snapshot: Pick<Transaction, 'range'>, { from, to }: SuspectRange): Generator<[ChunkId, number]> {
  const all = kindRange(SUSPECT)
  const bounds = {
    start: from === undefined ? all.start : suspectKey(from),
    end: to === undefined ? all.end : suspectKey(to),
  }
  for (const { key, value } of snapshot.range(bounds)) {
    yield [key.toString('hex', PREFIX.length + 1) as ChunkId, value.readUInt32BE()]
  }
}

function kindRange(kind: number): { start: Buffer; end: Buffer } {
  return { start: Buffer.concat([PREFIX, Buffer.from([kind])]), end: Buffer.concat([PREFIX, Buffer.from([kind + 1])]) }
}

function stateKey({ task, isDryRun }: TaskState): Buffer {
  return Buffer.concat([PREFIX, Buffer.from([STATE]), Buffer.from(isDryRun ? `${task}!` : task)])
}

function suspectKey(chunk: ChunkId): Buffer {
  return Buffer.concat([PREFIX, Buffer.from([SUSPECT]), Buffer.from(chunk, 'hex')])
}

function decisionKey(number: number): Buffer {
  const key = Buffer.concat([PREFIX, Buffer.from([DECISION]), Buffer.alloc(8)])
  key.writeBigUInt64BE(BigInt(number), PREFIX.length + 1)
  return key
}

function numberOf(key: Buffer): number {
  return Number(key.readBigUInt64BE(PREFIX.length + 1))
}
