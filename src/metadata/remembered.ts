// What became of requests, so that one that comes again gets its first answer and changes nothing: docs/adr/0021-results-are-remembered.md.

import { assert } from '#foundation/assert.ts'
import { isErrorCode, isShoalError, ShoalError } from '#foundation/errors.ts'
import type { ErrorDetails } from '#foundation/errors.ts'
import { MARK_ID_BYTES_MAX, MARK_ORIGINS } from '#foundation/request-mark.ts'
import type { MarkOrigin, RequestMark } from '#foundation/request-mark.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import { keyAfterPrefix, readU64, rememberedKey, writeU64 } from './keys.ts'

/** How a result is kept. */
export interface ResultCodec<T> {
  /** `undefined` for what is no final result. */
  encode(result: T): Buffer | undefined
  decode(bytes: Buffer): T
}

/** Rows are written into the youngest generation, and looked for in it and the one before. So there is no clock in it: which one is the youngest
 *  is a row itself, and whoever leads goes on to the next from time to time (`nextGeneration`). */
interface Generation {
  readonly number: number
  /** Of its rows, about. */
  readonly bytes: number
}

/** Two generations of both origins have four times as much. A result has some 250 bytes with its key: a million of them. */
const GENERATION_BYTES_MAX = 256 * 1024 * 1024
/** Of the key of a row, beside its id. */
const KEY_BYTES = 14
const ROWS_PER_COUNT = 16
const FORMAT = 1
const HEAD_BYTES = 18
const DONE = 0
const REFUSED = 1
const FAILED = 2
/** Arrivals of one request. */
const REFUSED_MAX = 64
const FIRST: Generation = { number: 1, bytes: 0 }

/** Runs a change within its transaction, and remembers its result there; or gives the result that it had before.
 *  @throws what `run` throws, of which nothing is remembered; as `recall`; BUSY when too much is remembered */
export function once<T>(tx: Transaction, mark: RequestMark | undefined, codec: ResultCodec<T>, run: () => T): T {
  if (mark === undefined) return run()
  const known = recall(tx, mark, codec)
  if (known !== undefined) return known.result
  // Whoever only asks is answered before anything is begun.
  if (mark.isQuestion) throw ambiguous('What became of this request is not known')
  const result = run()
  const bytes = codec.encode(result)
  if (bytes !== undefined) write(tx, mark, DONE, bytes)
  return result
}

/** The result of a request, if it was done.
 *  @throws what it has failed with; INVALID_ARGUMENT for another request by the same name; UNAVAILABLE if nothing is to come of this arrival any more; or `ambiguous`, if
 *  it was done and the result makes no sense to this node */
export function recall<T>(snapshot: Snapshot, mark: RequestMark, codec: ResultCodec<T>): { readonly result: T } | undefined {
  const row = find(snapshot, mark)
  if (row === undefined) return undefined
  if (!isOf(row, mark)) throw otherRequest()
  const rest = row.subarray(HEAD_BYTES)
  if (row[1] === FAILED) throw decodeFailure(rest)
  if (row[1] === REFUSED) {
    if (!refusedIn(row).includes(mark.arrival)) return undefined
    throw new ShoalError('UNAVAILABLE', 'The request was given up before it was done; nothing was done: send it again')
  }
  try {
    assert(row[0] === FORMAT, 'A result that is remembered has a format that is known')
    return { result: codec.decode(rest) }
  } catch (cause) {
    if (isShoalError(cause)) throw cause
    throw ambiguous('The request was done, but another release of Shoal has kept its answer', cause)
  }
}

/** Sees to it that nothing comes of this arrival of a request any more, if nothing has. @returns its result, if it was done */
export function refuse<T>(tx: Transaction, mark: RequestMark, codec: ResultCodec<T>): { readonly result: T } | undefined {
  const known = recall(tx, mark, codec)
  if (known === undefined) addRefused(tx, mark, find(tx, mark))
  return known
}

/** Sees to it that a request which may have come before, and has failed this time, stays failed: nothing comes of what came before any more, and whoever
 *  sends it again is told the same, if it's `final`; otherwise nothing comes of this arrival, and it may be sent anew.
 *  @returns false if it was done meanwhile, so that it has not failed */
export function settleFailure(tx: Transaction, mark: RequestMark, { error, isFinal }: RequestFailure): boolean {
  const row = find(tx, mark)
  if (row !== undefined && !isOf(row, mark)) return true
  if (row?.[1] === DONE) return false
  if (row?.[1] === FAILED) return true
  if (isFinal) write(tx, mark, FAILED, encodeFailure(error))
  else if (row === undefined || !refusedIn(row).includes(mark.arrival)) addRefused(tx, mark, row)
  return true
}

export interface RequestFailure {
  readonly error: ShoalError
  readonly isFinal: boolean
}

function addRefused(tx: Transaction, mark: RequestMark, row: Buffer | undefined): void {
  const refused = row === undefined ? [] : refusedIn(row)
  if (refused.length >= REFUSED_MAX) throw new ShoalError('BUSY', 'The request was given up too often: send it again in a while')
  write(tx, mark, REFUSED, Buffer.from([...refused, mark.arrival].join('\n'), 'latin1'))
}

function isOf(row: Buffer, { fingerprint }: RequestMark): boolean {
  return row.subarray(2, HEAD_BYTES).equals(fingerprint)
}

function encodeFailure({ code, message, details }: ShoalError): Buffer {
  return Buffer.from(JSON.stringify({ code, message, details }))
}

function decodeFailure(bytes: Buffer): ShoalError {
  const { code, message, details } = JSON.parse(bytes.toString()) as { code: string; message: string; details: ErrorDetails }
  return new ShoalError(isErrorCode(code) ? code : 'INTERNAL', message, { details })
}

/** The arrivals that nothing is to come of. */
function refusedIn(row: Buffer): string[] {
  return row.toString('latin1', HEAD_BYTES).split('\n')
}

/** Lets the youngest generation be the one before, whose rows are found for one more. */
export function nextGeneration(tx: Transaction, origin: MarkOrigin): void {
  const { number } = generationOf(tx, origin)
  tx.put(youngestKey(origin), encodeGeneration({ number: number + 1, bytes: 0 }))
}

/** Removes up to `limit` rows of generations that nobody looks at any more. @returns how many */
export function forgetOldResults(tx: Transaction, origin: MarkOrigin, limit: number): number {
  const { number } = generationOf(tx, origin)
  const start = rememberedKey(originByte(origin), 0)
  const old = [...tx.range({ start, end: rememberedKey(originByte(origin), number - 1), limit })]
  for (const { key } of old) tx.delete(key)
  return old.length
}

/** Whether any result is remembered. */
export function hasResults(snapshot: Snapshot, origin: MarkOrigin): boolean {
  const start = rememberedKey(originByte(origin), 0)
  const end = keyAfterPrefix(youngestKey(origin))
  return snapshot.range({ start, end, limit: 1 }).next().done !== true
}

function find(snapshot: Snapshot, { origin, id }: RequestMark): Buffer | undefined {
  const { number } = generationOf(snapshot, origin)
  const at = originByte(origin)
  return snapshot.get(rememberedKey(at, number, id)) ?? snapshot.get(rememberedKey(at, number - 1, id))
}

function write(tx: Transaction, { origin, id, fingerprint }: RequestMark, kind: number, rest: Buffer): void {
  assert(id.length > 0 && id.length <= MARK_ID_BYTES_MAX && fingerprint.length === 16, 'A request is marked by so many bytes')
  const { number, bytes } = generationOf(tx, origin)
  if (bytes > GENERATION_BYTES_MAX)
    throw new ShoalError('BUSY', 'The results of too many requests are remembered: send it again in a while')
  const row = Buffer.allocUnsafe(HEAD_BYTES + rest.length)
  row[0] = FORMAT
  row[1] = kind
  fingerprint.copy(row, 2)
  rest.copy(row, HEAD_BYTES)
  tx.put(rememberedKey(originByte(origin), number, id), row)
  if (!isCounted(id)) return
  const rowBytes = KEY_BYTES + id.length + row.length
  tx.put(youngestKey(origin), encodeGeneration({ number, bytes: bytes + rowBytes * ROWS_PER_COUNT }))
}

/** One row in so many stands for all of them: names are as good as random. */
function isCounted(id: Buffer): boolean {
  let sum = 0
  for (const byte of id) sum += byte
  return sum % ROWS_PER_COUNT === 0
}

function generationOf(snapshot: Snapshot, origin: MarkOrigin): Generation {
  return snapshot.getDecoded(youngestKey(origin), decodeGeneration) ?? FIRST
}

function encodeGeneration({ number, bytes }: Generation): Buffer {
  const encoded = Buffer.allocUnsafe(16)
  writeU64(encoded, number, 0)
  writeU64(encoded, bytes, 8)
  return encoded
}

function decodeGeneration(bytes: Buffer): Generation {
  return { number: readU64(bytes, 0), bytes: readU64(bytes, 8) }
}

const YOUNGEST_KEYS: Readonly<Record<MarkOrigin, Buffer>> = { client: rememberedKey(0), door: rememberedKey(1) }
const youngestKey = (origin: MarkOrigin): Buffer => YOUNGEST_KEYS[origin]
const originByte = (origin: MarkOrigin): number => MARK_ORIGINS.indexOf(origin)

function otherRequest(): ShoalError {
  return new ShoalError(
    'INVALID_ARGUMENT',
    'The Idempotency-Key was used for another request: each request needs one of its own, and sends it again only with the same method, target, length and key',
    { details: { field: 'Idempotency-Key' } },
  )
}

function ambiguous(message: string, cause?: unknown): ShoalError {
  return new ShoalError('UNAVAILABLE', `${message}: look, or send it again`, { details: { ambiguous: true }, cause })
}
