// What the calls about chunks say, described byte by byte in docs/formats/chunk-calls.md. Headers are JSON; keys that nobody knows are
// passed over, so that a later release may add some.

import { blockCount } from '#chunk/blocks.ts'
import { MAX_CHUNK_BYTES } from '#chunk/store.ts'
import type { ByteRange, ChunkInfo, ChunkUsage } from '#chunk/store.ts'
import { ShoalError } from '#foundation/errors.ts'
import { parseChunkId } from '#foundation/ids.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { COPIES_MAX } from '#placement/layout.ts'
import { errorFields, errorOf } from '#wire/messages.ts'
import type { JsonValue, WireHeader } from '#wire/messages.ts'
import type { CopyOutcome, PullResult } from './peers.ts'
import type { RepairRequest } from './repair-queue.ts'

/** A chunk is forwarded to so many nodes at most: to all copies of a class while the layout changes. */
const FORWARDS_MAX = 64
/** A chunk has no more copies than a class and its former layout may have: the queue has a place for each number. */
const COPIES_TOLD_MAX = 2 * COPIES_MAX
/** Chunks of one list: some 100 KB. */
export const LIST_CHUNKS_MAX = 1_000
const LIST_BYTES_MAX = 256 * 1024
/** An outcome has an error of 64 KiB at most. */
const LINE_BYTES_MAX = 128 * 1024

/** For what takes its time whatever the size: to connect (a handshake has 10 s), to wait for room, and for a disk that is busy. */
const CALL_MS = 15_000
/** The slowest that bytes may come: a fifth of 100 Mbit/s, which a primary shares between the sender and up to four copies. */
const BYTES_PER_MS_MIN = 2_500

/** How long a call may take that moves `sizeBytes`, 15 to 42 s. Who waits for it gives up sooner, and cancels it; this is the bound
 *  for what nobody cancels. */
export function callDeadlineMs(sizeBytes: number): number {
  return CALL_MS + Math.ceil(sizeBytes / BYTES_PER_MS_MIN)
}

export interface WriteRequest {
  readonly id: ChunkId
  readonly sizeBytes: number
  readonly forward: readonly NodeId[]
  /** Of each block, as `digestChunk` tells them. */
  readonly checksums: Buffer | undefined
}

export function encodeWrite({ id, sizeBytes, forward, checksums }: WriteRequest): WireHeader {
  return {
    id,
    size: sizeBytes,
    ...(forward.length === 0 ? {} : { forward }),
    ...(checksums === undefined ? {} : { crc32: checksums.toString('base64') }),
  }
}

/** Every decoder of a request throws INVALID_ARGUMENT for what makes no sense. */
export function decodeWrite(header: WireHeader): WriteRequest {
  const { id, size, forward = [], crc32 } = fieldsOf(header)
  const isList = Array.isArray(forward) && forward.length <= FORWARDS_MAX && forward.every(isNodeId)
  if (!isInteger(size, 1, MAX_CHUNK_BYTES) || !isList) throw nonsense('a write')
  const checksums = crc32 === undefined ? undefined : checksumsOf(crc32, size)
  return { id: idOf(id), sizeBytes: size, forward: [...new Set(forward as NodeId[])], checksums }
}

/** Of each block of a chunk of this size. */
function checksumsOf(value: unknown, sizeBytes: number): Buffer {
  const checksums = Buffer.from(typeof value === 'string' ? value : '', 'base64')
  if (checksums.length !== 4 * blockCount(sizeBytes)) throw nonsense('a write')
  return checksums
}

export interface ReadRequest {
  readonly id: ChunkId
  readonly range: ByteRange | undefined
}

export function encodeRead({ id, range }: ReadRequest): WireHeader {
  return range === undefined ? { id } : { id, offset: range.offset, length: range.length }
}

export function decodeRead(header: WireHeader): ReadRequest {
  const { id, offset, length } = fieldsOf(header)
  if (offset === undefined && length === undefined) return { id: idOf(id), range: undefined }
  if (!isInteger(offset, 0, MAX_CHUNK_BYTES) || !isInteger(length, 0, MAX_CHUNK_BYTES)) throw nonsense('a read')
  return { id: idOf(id), range: { offset, length } }
}

/** What is said before the bytes: how many they are. */
export function decodeReadAnswer(header: WireHeader): number {
  const { size } = fieldsOf(header)
  if (!isInteger(size, 0, MAX_CHUNK_BYTES)) throw nonsense('the answer to a read')
  return size
}

export function encodeId(id: ChunkId): WireHeader {
  return { id }
}

export function decodeId(header: WireHeader): ChunkId {
  return idOf(fieldsOf(header)['id'])
}

export interface ForgetRequest {
  readonly id: ChunkId
  readonly untouchedSinceMs: number | undefined
}

export function encodeForget({ id, untouchedSinceMs }: ForgetRequest): WireHeader {
  return { id, untouchedSinceMs }
}

export function decodeForget(header: WireHeader): ForgetRequest {
  const { id, untouchedSinceMs } = fieldsOf(header)
  if (untouchedSinceMs !== undefined && !isNumber(untouchedSinceMs)) throw nonsense('a forget')
  return { id: idOf(id), untouchedSinceMs }
}

export interface PullRequest {
  readonly id: ChunkId
  readonly sizeBytes: number
  readonly from: NodeId
}

export function encodePull({ id, sizeBytes, from }: PullRequest): WireHeader {
  return { id, size: sizeBytes, from }
}

export function decodePull(header: WireHeader): PullRequest {
  const { id, size, from } = fieldsOf(header)
  if (!isInteger(size, 1, MAX_CHUNK_BYTES) || !isNodeId(from)) throw nonsense('a pull')
  return { id: idOf(id), sizeBytes: size, from }
}

export function decodePullAnswer(header: WireHeader): PullResult {
  if (header !== 'stored' && header !== 'unreadable' && header !== 'unreachable') throw nonsense('the answer to a pull')
  return header
}

/** What one report tells of at most: 18 KB. */
export const REPORTED_MAX = 256

export function encodeReport(requests: readonly RepairRequest[]): WireHeader {
  return { repairs: requests.map(({ chunk, copies }) => [chunk, copies]) }
}

export function decodeReport(header: WireHeader): RepairRequest[] {
  const { repairs } = fieldsOf(header)
  if (!Array.isArray(repairs) || repairs.length > REPORTED_MAX) throw nonsense('a report')
  return (repairs as unknown[]).map((each) => {
    const [chunk, copies] = Array.isArray(each) ? (each as unknown[]) : []
    if (!isInteger(copies, 0, COPIES_TOLD_MAX)) throw nonsense('a report')
    return { chunk: idOf(chunk), copies }
  })
}

export interface ListRequest {
  readonly from: ChunkId | undefined
  readonly limit: number
}

export function encodeList({ from, limit }: ListRequest): WireHeader {
  return { from, limit }
}

export function decodeList(header: WireHeader): ListRequest {
  const { from, limit } = fieldsOf(header)
  if (!isInteger(limit, 1, LIST_CHUNKS_MAX)) throw nonsense('a list')
  return { from: from === undefined ? undefined : idOf(from), limit }
}

export function encodeInfo({ id, sizeBytes, touchedAtMs, isDamaged = false }: ChunkInfo): JsonValue {
  return isDamaged ? [id, sizeBytes, touchedAtMs, 'damaged'] : [id, sizeBytes, touchedAtMs]
}

export function decodeInfo(value: unknown): ChunkInfo {
  const [id, sizeBytes, touchedAtMs, health] = Array.isArray(value) ? (value as unknown[]) : []
  if (!isNumber(sizeBytes) || !isNumber(touchedAtMs)) throw nonsense('what is said of a chunk')
  const info = { id: idOf(id), sizeBytes, touchedAtMs }
  return health === 'damaged' ? { ...info, isDamaged: true } : info
}

/** One line for each chunk. */
export function encodeInfos(chunks: readonly ChunkInfo[]): Buffer[] {
  return chunks.length === 0 ? [] : [Buffer.from(chunks.map((chunk) => `${JSON.stringify(encodeInfo(chunk))}\n`).join(''))]
}

export async function decodeInfos(body: AsyncIterable<Buffer>, limit: number): Promise<ChunkInfo[]> {
  const chunks: ChunkInfo[] = []
  for await (const line of linesOf(body, LIST_BYTES_MAX)) {
    if (chunks.length >= limit) throw nonsense('a list')
    chunks.push(decodeInfo(line))
  }
  return chunks
}

const USAGE_FIELDS = ['chunks', 'liveBytes', 'storedBytes', 'capacityBytes', 'freeBytes'] as const

export function encodeUsage(usage: ChunkUsage): WireHeader {
  return Object.fromEntries(USAGE_FIELDS.map((field) => [field, usage[field]]))
}

export function decodeUsage(header: WireHeader): ChunkUsage {
  const { chunks, liveBytes, storedBytes, capacityBytes, freeBytes } = fieldsOf(header)
  if (!isNumber(chunks) || !isNumber(liveBytes) || !isNumber(storedBytes)) throw nonsense('a usage')
  const isKnown = isNumber(capacityBytes) && isNumber(freeBytes)
  return {
    chunks,
    liveBytes,
    storedBytes,
    capacityBytes: isKnown ? capacityBytes : undefined,
    freeBytes: isKnown ? freeBytes : undefined,
  }
}

/** One line: `{"node": …}`, with the error if there is one. */
export function encodeOutcome({ node, error }: CopyOutcome): Buffer {
  return Buffer.from(`${JSON.stringify(error === undefined ? { node } : { node, error: errorFields(error) })}\n`)
}

/** The outcomes as they come. */
export async function* decodeOutcomes(body: AsyncIterable<Buffer>): AsyncGenerator<CopyOutcome> {
  for await (const line of linesOf(body, LINE_BYTES_MAX)) {
    const { node, error } = fieldsOf(line as WireHeader)
    if (!isNodeId(node)) throw nonsense('the outcome of a copy')
    yield { node, error: error === undefined ? undefined : errorOf(fieldsOf(error as WireHeader)) }
  }
}

/** Values of JSON, each ended by a line feed. */
async function* linesOf(body: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<unknown> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of body) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
      yield parse(rest.toString('utf8', 0, end))
      rest = rest.subarray(end + 1)
    }
    if (rest.length > bytesMax) throw nonsense('a line')
  }
  if (rest.length > 0) throw nonsense('the end of an answer')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw nonsense('a line')
  }
}

export function nonsense(what: string): ShoalError {
  return new ShoalError(
    'INVALID_ARGUMENT',
    `A call about chunks between nodes makes no sense: ${what} has not the form that it must have`,
  )
}

function fieldsOf(header: WireHeader): Record<string, unknown> {
  const isObject = typeof header === 'object' && header !== null && !(header instanceof Uint8Array) && !Array.isArray(header)
  if (!isObject) throw nonsense('a header')
  return header as Record<string, unknown>
}

function idOf(value: unknown): ChunkId {
  if (typeof value !== 'string') throw nonsense('a chunk id')
  return parseChunkId(value)
}

function isNodeId(value: unknown): value is NodeId {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
}
