// Uploads in parts, of this node alone: nothing of them is told to others before they are a file. docs/formats/eventual.md has the rows.

import { ByteWriter } from '#foundation/byte-writer.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, UploadId } from '#foundation/ids.ts'
import type { Snapshot, Transaction } from '#kv/store.ts'
import type { Extent } from './entry.ts'
import { eventualReader } from './eventual-reader.ts'
import { kindRange, partKey, partRange, readPartKey, readUploadKey, uploadKey, uploadUseKey } from './keys.ts'
import type { Replica } from './replica.ts'

export interface Upload {
  readonly id: UploadId
  readonly volume: string
  readonly path: string
  readonly startedNs: bigint
  readonly expiresNs: bigint
  /** What the door that began it wants to know again, as JSON. */
  readonly details: string
}

/** Which upload. */
export type UploadName = Pick<Upload, 'id' | 'volume'>

export interface UploadPart {
  readonly number: number
  readonly sizeBytes: number
  readonly details: string
  readonly extents: readonly Extent[]
}

/** Parts taken apart in one transaction: of 5 GiB and chunks of 1 MiB each has 5,120 extents. */
const PARTS_PER_STEP = 8
const DETAILS_BYTES_MAX = 1024 * 1024
const EXTENTS_PER_PART_MAX = 16_384

export class UploadTable {
  readonly #replica: Replica

  constructor(replica: Replica) {
    this.#replica = replica
  }

  begin(upload: Upload): Promise<void> {
    return this.#replica.change((transaction) => transaction.put(uploadKey(upload.id), encodeUpload(upload)))
  }

  find(volume: string, id: UploadId): Promise<Upload | undefined> {
    return this.#replica.store.read((snapshot) => findUpload(snapshot, volume, id))
  }

  /** In the order of their ids. */
  async list(
    volume: string,
    { after, limit }: { readonly after?: UploadId | undefined; readonly limit: number },
  ): Promise<Upload[]> {
    const found: Upload[] = []
    const { start, end } = kindRange('s')
    const from = after === undefined ? start : Buffer.concat([uploadKey(after), Buffer.of(0)])
    for await (const { key, value } of this.#replica.store.range({ start: from, end })) {
      const upload = decodeUpload(readUploadKey(key), value)
      if (upload.volume === volume) found.push(upload)
      if (found.length === limit) break
    }
    return found
  }

  /** In the place of one of that number. @throws UPLOAD_NOT_FOUND */
  putPart(upload: UploadName, part: UploadPart): Promise<void> {
    const { id, volume } = upload
    return this.#replica.store.transact((transaction) => {
      requireUpload(transaction, upload)
      const key = partKey(id, part.number)
      const before = transaction.get(key)
      if (before !== undefined) dropUses(transaction, { id, number: part.number }, decodePart(part.number, before))
      transaction.put(key, encodePart(part))
      for (const chunk of chunksOf(part)) transaction.put(uploadUseKey(chunk, { id, number: part.number }), Buffer.from(volume))
    })
  }

  /** In ascending order. @throws UPLOAD_NOT_FOUND */
  parts(upload: UploadName): Promise<UploadPart[]> {
    return this.#replica.store.read((snapshot) => {
      requireUpload(snapshot, upload)
      return [...snapshot.range(partRange(upload.id))].map(({ key, value }) => decodePart(readPartKey(key).number, value))
    })
  }

  /** Ends it in the step in which it becomes a file; `clear` is to follow. @throws UPLOAD_NOT_FOUND */
  end(transaction: Transaction, upload: UploadName): void {
    requireUpload(transaction, upload)
    transaction.delete(uploadKey(upload.id))
  }

  /** @throws UPLOAD_NOT_FOUND */
  async abort(upload: UploadName): Promise<void> {
    await this.#replica.store.transact((transaction) => this.end(transaction, upload), { frees: true })
    await this.clear(upload.id)
  }

  /** Lets go of what an upload had that has ended. */
  async clear(id: UploadId): Promise<void> {
    for (let more = true; more;) {
      more = await this.#replica.store.transact(
        (transaction) => {
          const rows = [...transaction.range({ ...partRange(id), limit: PARTS_PER_STEP })]
          for (const { key, value } of rows) {
            const { number } = readPartKey(key)
            dropUses(transaction, { id, number }, decodePart(number, value))
            transaction.delete(key)
          }
          return rows.length === PARTS_PER_STEP
        },
        { frees: true },
      )
    }
  }

  /** Ends those that have expired, and lets go of what others have left. @returns how many expired */
  async reap(nowNs: bigint): Promise<number> {
    let expired = 0
    for await (const { key, value } of this.#replica.store.range(kindRange('s'))) {
      const upload = decodeUpload(readUploadKey(key), value)
      if (upload.expiresNs > nowNs) continue
      try {
        await this.abort(upload)
        expired += 1
      } catch (error) {
        // Somebody else was quicker to end it.
        if (!(error instanceof ShoalError) || error.code !== 'UPLOAD_NOT_FOUND') throw error
      }
    }
    let last: UploadId | undefined
    for await (const { key } of this.#replica.store.range(partRange())) {
      const { id } = readPartKey(key)
      if (id === last) continue
      last = id
      if ((await this.#replica.store.get(uploadKey(id))) === undefined) await this.clear(id)
    }
    return expired
  }
}

function findUpload(snapshot: Snapshot, volume: string, id: UploadId): Upload | undefined {
  const row = snapshot.get(uploadKey(id))
  if (row === undefined) return undefined
  const upload = decodeUpload(id, row)
  return upload.volume === volume ? upload : undefined
}

function requireUpload(snapshot: Snapshot, { id, volume }: UploadName): void {
  if (findUpload(snapshot, volume, id) !== undefined) return
  throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${id}" on this node: it was committed, aborted, or has expired`)
}

function dropUses(transaction: Transaction, at: { id: UploadId; number: number }, part: UploadPart): void {
  for (const chunk of chunksOf(part)) transaction.delete(uploadUseKey(chunk, at))
}

function chunksOf({ extents }: UploadPart): ReadonlySet<ChunkId> {
  return new Set(extents.map(({ chunk }) => chunk))
}

function encodeUpload({ volume, path, startedNs, expiresNs, details }: Upload): Buffer {
  return Buffer.from(
    JSON.stringify({ volume, path, startedNs: String(startedNs), expiresNs: String(expiresNs), details }),
    'utf8',
  )
}

function decodeUpload(id: UploadId, row: Buffer): Upload {
  const { startedNs, expiresNs, ...rest } = JSON.parse(row.toString('utf8')) as Record<
    'volume' | 'path' | 'startedNs' | 'expiresNs' | 'details',
    string
  >
  return { id, startedNs: BigInt(startedNs), expiresNs: BigInt(expiresNs), ...rest }
}

function encodePart({ sizeBytes, details, extents }: UploadPart): Buffer {
  const writer = new ByteWriter()
  writer.number(sizeBytes)
  writer.bytes(Buffer.from(details, 'utf8'))
  writer.number(extents.length)
  for (const { chunk, lengthBytes } of extents) {
    writer.hex(chunk)
    writer.number(lengthBytes)
  }
  return writer.finish()
}

function decodePart(number: number, row: Buffer): UploadPart {
  const reader = eventualReader(row)
  const sizeBytes = reader.number()
  const details = reader.bytes(DETAILS_BYTES_MAX).toString('utf8')
  const extents = reader.list(EXTENTS_PER_PART_MAX, () => ({ chunk: reader.hex(64) as ChunkId, lengthBytes: reader.number() }))
  reader.end()
  return { number, sizeBytes, details, extents }
}
