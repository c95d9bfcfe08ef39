// The bytes of the index checkpoint. docs/formats/chunks.md describes them for other readers: change both together.

import { crc32c } from '@node-rs/crc32'
import type { ChunkId } from '#foundation/ids.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { MAX_PACKED_BYTES, PACK_HEADER_BYTES, SALT_BYTES } from './pack-format.ts'
import { INDEX_ENTRY_BYTES } from './pack-index.ts'
import type { PackSet } from './pack-set.ts'

const MAGIC = Buffer.from('SHOALIDX', 'latin1')
const VERSION = 1
const HEADER_BYTES = 16
const PACK_BYTES = 20
const KILL_BYTES = 8
const FOOTER_BYTES = 12
/** A multiple of the entry size, around 2 MiB. */
const READ_BYTES = INDEX_ENTRY_BYTES * 48_000

/** Up to where the checkpoint knows each pack. */
export type ScannedPacks = ReadonlyMap<number, { readonly scannedTo: number }>

/** The checkpoint piece by piece. The table of packs is that of the first piece's moment; entries are taken shard by shard
 *  as the pieces are asked for, and may be newer. That does no harm: whoever loads it reads all records from
 *  `scannedTo` on again, and to meet a record twice changes nothing. */
export function* encodeCheckpoint(set: PackSet): Generator<Buffer> {
  let checksum = 0
  let entries = 0
  const packs = encodePackTable(set)
  checksum = crc32c(packs)
  yield packs
  for (let firstByte = 0; firstByte < 256; firstByte += 1) {
    const piece = set.index.exportEntries(firstByte)
    if (piece.length === 0) continue
    entries += piece.length / INDEX_ENTRY_BYTES
    checksum = crc32c(piece, checksum)
    yield piece
  }
  const footer = Buffer.alloc(FOOTER_BYTES)
  footer.writeUIntLE(entries, 0, 6)
  footer.writeUInt32LE(crc32c(footer.subarray(0, 8), checksum), 8)
  yield footer
}

function encodePackTable(set: PackSet): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  const pieces = [header]
  for (const pack of set.packs) {
    const bytes = Buffer.alloc(PACK_BYTES + pack.kills.size * KILL_BYTES)
    bytes.writeUInt32LE(pack.number, 0)
    bytes.writeUInt32LE(pack.sizeBytes, 4)
    pack.salt.copy(bytes, 8)
    let at = bytes.writeUInt32LE(pack.kills.size, 16)
    for (const [target, count] of pack.kills) at = bytes.writeUInt32LE(count, bytes.writeUInt32LE(target, at))
    pieces.push(bytes)
  }
  MAGIC.copy(header)
  header.writeUInt32LE(VERSION, 8)
  header.writeUInt32LE(pieces.length - 1, 12)
  return Buffer.concat(pieces)
}

export interface LoadOptions {
  readonly files: Files
  readonly path: string
  readonly set: PackSet
  /** Size of each pack that is there. */
  readonly sizes: ReadonlyMap<number, number>
  readonly touchedAtMs: number
}

/** Fills the empty set from the checkpoint. Answers a reason, and leaves the set empty, if the checkpoint is missing,
 *  damaged, or speaks of more than the packs hold. */
export async function loadCheckpoint(options: LoadOptions): Promise<ScannedPacks | string> {
  const { files, path, set } = options
  const facts = await files.facts(path)
  if (facts === undefined) return 'there is none'
  const file = await files.open(path, 'read')
  try {
    const source = new Source(file, facts.sizeBytes)
    const scanned = await loadPacks(source, options)
    const problem = typeof scanned === 'string' ? scanned : await loadEntries(source, options)
    if (problem === undefined) return scanned
    set.clear()
    return problem
  } finally {
    await file.close()
  }
}

async function loadPacks(source: Source, { set, sizes }: LoadOptions): Promise<ScannedPacks | string> {
  const header = await source.take(HEADER_BYTES)
  if (header === undefined || !header.subarray(0, 8).equals(MAGIC)) return 'it has no header'
  if (header.readUInt32LE(8) !== VERSION) return 'it has another version'
  const scanned = new Map<number, { scannedTo: number }>()
  for (let left = header.readUInt32LE(12); left > 0; left -= 1) {
    const bytes = await source.take(PACK_BYTES)
    const kills = bytes === undefined ? undefined : await source.take(bytes.readUInt32LE(16) * KILL_BYTES)
    if (bytes === undefined || kills === undefined) return 'it ends within its table of packs'
    const number = bytes.readUInt32LE(0)
    const scannedTo = bytes.readUInt32LE(4)
    const sizeBytes = sizes.get(number)
    if (sizeBytes === undefined) continue
    if (scannedTo < PACK_HEADER_BYTES || sizeBytes < scannedTo) return `pack ${number} is shorter than it was`
    const pack = set.add(number, Buffer.from(bytes.subarray(8, 8 + SALT_BYTES)))
    pack.sizeBytes = scannedTo
    for (let at = 0; at < kills.length; at += KILL_BYTES) {
      const target = kills.readUInt32LE(at)
      if (sizes.has(target)) pack.kills.set(target, kills.readUInt32LE(at + 4))
    }
    scanned.set(number, { scannedTo })
  }
  return scanned
}

async function loadEntries(source: Source, { set, touchedAtMs }: LoadOptions): Promise<string | undefined> {
  let entries = 0
  while (source.leftBytes > FOOTER_BYTES) {
    const bytes = await source.take(Math.min(READ_BYTES, source.leftBytes - FOOTER_BYTES))
    if (bytes === undefined || bytes.length % INDEX_ENTRY_BYTES !== 0) return 'it ends within an entry'
    for (let at = 0; at < bytes.length; at += INDEX_ENTRY_BYTES) {
      const pack = bytes.readUInt32LE(at + 32)
      const lengthBytes = bytes.readUInt32LE(at + 40)
      if (lengthBytes < 1 || lengthBytes > MAX_PACKED_BYTES) return 'an entry has no meaning'
      entries += 1
      if (!set.has(pack)) continue
      const id = bytes.toString('hex', at, at + 32) as ChunkId
      set.place(id, { pack, offset: bytes.readUInt32LE(at + 36), lengthBytes, touchedAtMs })
    }
  }
  const count = await source.take(8)
  const { checksum } = source
  const last = await source.take(4)
  if (count === undefined || last === undefined || source.leftBytes > 0) return 'it has no footer'
  if (last.readUInt32LE(0) !== checksum || count.readUIntLE(0, 6) !== entries) return 'its checksum is wrong'
  return undefined
}

/** Reads a file from its beginning to its end and sums up what it has read. */
class Source {
  readonly #file: OpenFile
  readonly #sizeBytes: number
  #position = 0
  checksum = 0

  constructor(file: OpenFile, sizeBytes: number) {
    this.#file = file
    this.#sizeBytes = sizeBytes
  }

  get leftBytes(): number {
    return this.#sizeBytes - this.#position
  }

  async take(count: number): Promise<Buffer | undefined> {
    if (count > this.leftBytes) return undefined
    const bytes = Buffer.allocUnsafe(count)
    if ((await this.#file.read(bytes, this.#position)) < count) return undefined
    this.#position += count
    this.checksum = crc32c(bytes, this.checksum)
    return bytes
  }
}
