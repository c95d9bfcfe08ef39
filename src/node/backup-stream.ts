// The file of one moment in a backup, described byte by byte in docs/formats/backup.md.

import { createHash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import { decodePages, encodePages } from '#kv/snapshot-codec.ts'
import type { KeyValue } from '#kv/store.ts'
import type { Files } from '#platform/files.ts'
import type { ClusterSecrets } from './bootstrap.ts'

export interface BackupHeader extends ClusterSecrets {
  readonly format: 1
  readonly clusterId: string
  /** RFC 3339. */
  readonly taken: string
  /** The version of Shoal. */
  readonly version: string
}

const LENGTH_BYTES = 4
const DIGEST_BYTES = 32
const HEADER_BYTES_MAX = 64 * 1024
const READ_BYTES = 1024 * 1024

/** The header, the pages, their end, and the SHA-256 of all that. */
export async function* encodeBackup(
  header: BackupHeader,
  pages: AsyncIterable<readonly KeyValue[]>,
): AsyncGenerator<Buffer, void, undefined> {
  const digest = createHash('sha256')
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(text.length)
  const head = Buffer.concat([length, text])
  digest.update(head)
  yield head
  for await (const piece of encodePages(pages)) {
    digest.update(piece)
    yield piece
  }
  yield digest.digest()
}

/** A moment that is kept, all of it read and compared with its digest. */
export interface OpenedBackup {
  readonly header: BackupHeader
  /** All rows, in the order of their keys; it can be walked again. */
  rows(): AsyncGenerator<readonly KeyValue[], void, undefined>
}

/** @throws NOT_FOUND, CORRUPT if it isn't whole, UNSUPPORTED if it is of a newer release */
export async function openBackup(files: Files, path: string): Promise<OpenedBackup> {
  const facts = await files.facts(path)
  if (facts === undefined) throw new ShoalError('NOT_FOUND', `There is no "${path}"`)
  const endAt = facts.sizeBytes - DIGEST_BYTES
  const digest = createHash('sha256')
  let kept = Buffer.alloc(0)
  for await (const piece of piecesOf(files, path, { from: 0, to: Math.max(endAt, 0) })) digest.update(piece)
  for await (const piece of piecesOf(files, path, { from: Math.max(endAt, 0), to: facts.sizeBytes }))
    kept = Buffer.concat([kept, piece])
  if (endAt < LENGTH_BYTES || !digest.digest().equals(kept)) throw damaged(path)
  const headBytes = await bytesOf(files, path, { from: 0, to: LENGTH_BYTES })
  const rowsAt = LENGTH_BYTES + headBytes.readUInt32BE(0)
  if (rowsAt > HEADER_BYTES_MAX || rowsAt > endAt) throw damaged(path)
  const header = JSON.parse((await bytesOf(files, path, { from: LENGTH_BYTES, to: rowsAt })).toString()) as BackupHeader
  if (header.format !== 1) throw new ShoalError('UNSUPPORTED', `"${path}" was made by a newer release of Shoal: use that one`)
  return { header, rows: () => decodePages(piecesOf(files, path, { from: rowsAt, to: endAt })) }
}

interface Span {
  readonly from: number
  readonly to: number
}

async function bytesOf(files: Files, path: string, span: Span): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of piecesOf(files, path, span)) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function* piecesOf(files: Files, path: string, { from, to }: Span): AsyncGenerator<Buffer, void, undefined> {
  const file = await files.open(path, 'read')
  try {
    for (let at = from; at < to;) {
      const piece = Buffer.allocUnsafe(Math.min(READ_BYTES, to - at))
      const length = await file.read(piece, at)
      if (length === 0) throw damaged(path)
      yield piece.subarray(0, length)
      at += length
    }
  } finally {
    await file.close()
  }
}

function damaged(path: string): ShoalError {
  return new ShoalError('CORRUPT', `"${path}" is damaged, or not the backup of a moment: take another one`)
}
