import { hash } from 'node:crypto'
import type { ChunkStore } from '#chunk/store.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { parseChunkId } from '#foundation/ids.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { WireMethods } from '#wire/methods.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import type { WirePeers } from '#wire/peers.ts'
import { readBounded } from '#wire/read-bounded.ts'

const METHOD = 'eventual.chunks'
/** What goes together: a call costs as much as some ten such chunks, and a flush more. */
export const TOGETHER_MAX = 64
export const TOGETHER_BYTES_MAX = 2 * 1024 * 1024
/** Larger ones go one by one. */
export const SMALL_BYTES_MAX = 256 * 1024
/** As long as gossip takes to notice that a node is silent; then its chunks go another way. */
const CALL_MS = 6_000
/** Calls that are answered at a time; further ones are BUSY. */
const CALLS_MAX = 16
const BOUND = { maxBytes: TOGETHER_BYTES_MAX, what: 'A message with chunks of eventual volumes' }

export interface SmallChunk {
  readonly id: ChunkId
  readonly bytes: Uint8Array
}

/** Hands chunks to another node in one call. @returns for each whether it is durable there
 *  @throws UNAVAILABLE, TIMEOUT, CANCELLED, BUSY; UNSUPPORTED by a node of a release that doesn't know the call */
export async function sendSmallChunks(
  wire: Pick<WirePeers, 'call'>,
  address: PeerAddress,
  { chunks, signal }: { readonly chunks: readonly SmallChunk[]; readonly signal: AbortSignal },
): Promise<readonly boolean[]> {
  const { header, body } = await wire.call(address, METHOD, {
    header: chunks.map(({ id, bytes }) => [id, bytes.length]),
    body: chunks.map(({ bytes }) => bytes),
    deadlineMs: CALL_MS,
    signal,
  })
  body.cancel()
  if (!Array.isArray(header) || header.length !== chunks.length)
    throw new ShoalError('UNAVAILABLE', `The answer of node ${address.nodeId} makes no sense`)
  return header.map((each) => each === true)
}

/** `eventual.chunks` takes chunks one behind the other, as docs/formats/eventual-messages.md says, and stores them in as few flushes as can be. */
export function smallChunkMethods(store: Pick<ChunkStore, 'write'>): WireMethods {
  let answering = 0
  return {
    [METHOD]: {
      async handle({ header, body }) {
        if (answering >= CALLS_MAX) throw new ShoalError('BUSY', 'This node takes in too many chunks at the moment')
        answering += 1
        try {
          const announced = decodeHeader(header)
          const bytes = await readBounded(body, BOUND)
          if (announced.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) !== bytes.length) throw nonsense()
          let end = 0
          const chunks = announced.map(({ id, sizeBytes }) => ({ id, bytes: bytes.subarray(end, (end += sizeBytes)) }))
          return { header: await Promise.all(chunks.map((chunk) => keep(store, chunk))) }
        } finally {
          answering -= 1
        }
      },
    },
  }
}

/** Whether it is durable now: whoever sends it sees to it otherwise. */
async function keep(store: Pick<ChunkStore, 'write'>, { id, bytes }: SmallChunk): Promise<boolean> {
  if (hash('sha256', bytes) !== id) return false
  try {
    await store.write(id, bytes)
    return true
  } catch (error) {
    if (!isShoalError(error)) throw error
    return false
  }
}

function decodeHeader(header: unknown): { readonly id: ChunkId; readonly sizeBytes: number }[] {
  if (!Array.isArray(header) || header.length > TOGETHER_MAX) throw nonsense()
  return (header as unknown[]).map((each) => {
    const [id, sizeBytes] = Array.isArray(each) ? (each as unknown[]) : []
    if (typeof id !== 'string' || !Number.isSafeInteger(sizeBytes) || (sizeBytes as number) < 1) throw nonsense()
    return { id: parseChunkId(id), sizeBytes: sizeBytes as number }
  })
}

function nonsense(): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', 'A message with chunks of eventual volumes makes no sense')
}
