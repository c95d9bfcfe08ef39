// The rows of eventual volumes in the key-value store, and their keys: docs/formats/eventual.md. Every key begins with 0xEE, which no
// other key of a node does, and a letter.

import { hash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, UploadId } from '#foundation/ids.ts'
import { encodeName } from '#foundation/name.ts'

/** As many as an object's key may have (Amazon S3), in bytes. */
export const PATH_BYTES_MAX = 1024
/** Of the definitions of volumes, which are entries themselves. No volume has this name. */
export const DEFINITIONS = ''

/** Where an entry is. The path is a key as S3 has them: a directory's ends in a slash. */
export interface Place {
  readonly volume: string
  /** Bytes of the path, as `latin1`: their order is the order of strings. */
  readonly path: string
}

const ROOT = 0xee
export const FLOOR_KEY = single('f')
export const CEILING_KEY = single('h')
export const KNOWLEDGE_KEY = single('m')
/** Whose cluster the rows are of. */
export const CLUSTER_KEY = single('g')

function single(letter: string): Buffer {
  return Buffer.of(ROOT, letter.charCodeAt(0))
}

/** @throws INVALID_PATH, NAME_TOO_LONG */
export function pathBytes(path: string): string {
  const bytes = encodeName(path)
  if (bytes.length === 0) throw new ShoalError('INVALID_PATH', 'The path is empty: name an entry of the volume')
  if (bytes.length > PATH_BYTES_MAX) {
    throw new ShoalError(
      'NAME_TOO_LONG',
      `The path has ${bytes.length} bytes; an eventual volume takes ${PATH_BYTES_MAX}, as S3 does for keys`,
    )
  }
  return bytes.toString('latin1')
}

function placeKey(letter: string, { volume, path }: Place): Buffer {
  return Buffer.from(`\u00ee${letter}${volume}\0${path}`, 'latin1')
}

function readPlace(key: Buffer, from: number): Place {
  const text = key.toString('latin1', from)
  const at = text.indexOf('\0')
  return { volume: text.slice(0, at), path: text.slice(at + 1) }
}

export const entryKey = (place: Place): Buffer => placeKey('e', place)
export const readEntryKey = (key: Buffer): Place => readPlace(key, 2)
export const conflictKey = (place: Place): Buffer => placeKey('c', place)

export interface KeyRange {
  readonly start: Buffer
  readonly end: Buffer
}

/** The rows of all places of a volume whose paths begin with `prefix`, from `from` on. */
export function placeRange(letter: 'e' | 'c', { volume, prefix, from = prefix }: PlaceRange): KeyRange {
  return { start: placeKey(letter, { volume, path: from }), end: behind(placeKey(letter, { volume, path: prefix })) }
}

export interface PlaceRange {
  readonly volume: string
  readonly prefix: string
  readonly from?: string
}

/** Rows of a kind. */
export function kindRange(letter: 'c' | 'k' | 'l' | 'n' | 'r' | 's' | 't' | 'u' | 'w' | 'x'): KeyRange {
  const start = single(letter)
  return { start, end: behind(start) }
}

/** The first key behind all that begin with `prefix`. */
function behind(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix)
  // Keys begin with 0xEE, so there always is one.
  let last = end.length - 1
  while (end[last] === 0xff) last -= 1
  end[last] = (end[last] as number) + 1
  return end.subarray(0, last + 1)
}

/** The digest of a place, by which places are spread over the tree of digests. */
export const PLACE_HASH_BYTES = 16

export function hashOfPlace({ volume, path }: Place): Buffer {
  return hash('sha256', Buffer.from(`${volume}\0${path}`, 'latin1'), 'buffer').subarray(0, PLACE_HASH_BYTES)
}

export function indexKey(placeHash: Buffer): Buffer {
  return Buffer.concat([single('x'), placeHash])
}

/** Digest of the row, then its place. */
export function indexValue(digest: Buffer, { volume, path }: Place): Buffer {
  return Buffer.concat([digest, Buffer.from(`${volume}\0${path}`, 'latin1')])
}

export function readIndexRow(key: Buffer, value: Buffer): { placeHash: Buffer; digest: Buffer; place: Place } {
  return { placeHash: key.subarray(2), digest: value.subarray(0, 8), place: readPlace(value, 8) }
}

/** Removals, by the time from which on they can be forgotten. */
export function tombstoneKey(time: number, place: Place): Buffer {
  const prefix = Buffer.alloc(10)
  prefix.set(single('t'))
  prefix.writeBigUInt64BE(BigInt(time), 2)
  return Buffer.concat([prefix, Buffer.from(`${place.volume}\0${place.path}`, 'latin1')])
}

export function readTombstoneKey(key: Buffer): { time: number; place: Place } {
  return { time: Number(key.readBigUInt64BE(2)), place: readPlace(key, 10) }
}

/** Of removals whose time is `time` or before. */
export function tombstonesUpTo(time: number): KeyRange {
  return { start: single('t'), end: tombstoneKey(time + 1, { volume: '', path: '' }).subarray(0, 10) }
}

export const rumourKey = (place: Place): Buffer => placeKey('r', place)
export const readRumourKey = (key: Buffer): Place => readPlace(key, 2)

/** Sums of the digest tree that are kept: `path` are the nibbles from the root. */
export function digestKey(path: string): Buffer {
  return Buffer.from(`\u00eed${String.fromCharCode(path.length)}${path}`, 'latin1')
}

/** The sums kept at `depth` below `path`. */
export function digestRange(depth: number, path: string): KeyRange {
  const start = Buffer.from(`\u00eed${String.fromCharCode(depth)}${path}`, 'latin1')
  return { start, end: behind(start) }
}

/** That a version at the place has the chunk. */
export function chunkUseKey(chunk: ChunkId, placeHash: Buffer): Buffer {
  return Buffer.concat([single('u'), Buffer.from(chunk, 'hex'), placeHash])
}

export function chunkUseRange(chunk: ChunkId): KeyRange {
  const start = chunkUseKey(chunk, Buffer.alloc(0))
  return { start, end: behind(start) }
}

/** Of a row that says what has a chunk: `u` and `n`. */
export const chunkOfUse = (key: Buffer): ChunkId => key.toString('hex', 2, 34) as ChunkId

export function placeHashOfChunkUse(key: Buffer): Buffer {
  return key.subarray(-PLACE_HASH_BYTES)
}

/** Of a chunk that a version has had, and may be the last one here. */
export function leftKey(chunk: ChunkId): Buffer {
  return Buffer.concat([single('l'), Buffer.from(chunk, 'hex')])
}

export const readLeftKey = (key: Buffer): ChunkId => key.toString('hex', 2) as ChunkId

/** When it was left, by this machine's clock in milliseconds since 1970, and of which volume it was. */
export function leftValue(atMs: number, volume: string): Buffer {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(Math.max(0, Math.floor(atMs))))
  return Buffer.concat([time, Buffer.from(volume, 'latin1')])
}

export function readLeftValue(value: Buffer): { readonly atMs: number; readonly volume: string } {
  return { atMs: Number(value.readBigUInt64BE()), volume: value.toString('latin1', 8) }
}

/** That a list of chunks has the chunk. The value is the list's own chunk. */
export function listedUseKey(chunk: ChunkId, manifest: ChunkId): Buffer {
  return Buffer.concat([single('n'), Buffer.from(chunk, 'hex'), Buffer.from(manifest, 'hex').subarray(0, PLACE_HASH_BYTES)])
}

export function listedUseRange(chunk: ChunkId): KeyRange {
  const start = Buffer.concat([single('n'), Buffer.from(chunk, 'hex')])
  return { start, end: behind(start) }
}

export const manifestOfListedUse = (value: Buffer): ChunkId => value.toString('hex') as ChunkId

/** Of a chunk that is a list of chunks: `w` while what it lists isn't noted yet, `k` afterwards. */
export function manifestKey(letter: 'k' | 'w', manifest: ChunkId): Buffer {
  return Buffer.concat([single(letter), Buffer.from(manifest, 'hex')])
}

export const readManifestKey = (key: Buffer): ChunkId => key.toString('hex', 2) as ChunkId

export function uploadKey(id: UploadId): Buffer {
  return Buffer.concat([single('s'), Buffer.from(id, 'hex')])
}

export const readUploadKey = (key: Buffer): UploadId => key.toString('hex', 2) as UploadId

const PART_BYTES = 4

export function partKey(id: UploadId, number: number): Buffer {
  const bytes = Buffer.alloc(PART_BYTES)
  bytes.writeUInt32BE(number)
  return Buffer.concat([single('p'), Buffer.from(id, 'hex'), bytes])
}

/** The parts of an upload; those of all without one. */
export function partRange(id?: UploadId): KeyRange {
  const start = id === undefined ? single('p') : Buffer.concat([single('p'), Buffer.from(id, 'hex')])
  return { start, end: behind(start) }
}

export function readPartKey(key: Buffer): { id: UploadId; number: number } {
  return { id: key.toString('hex', 2, 18) as UploadId, number: key.readUInt32BE(18) }
}

/** That a part of an upload has the chunk. The value is the name of the volume. */
export function uploadUseKey(chunk: ChunkId, { id, number }: { readonly id: UploadId; readonly number: number }): Buffer {
  const part = partKey(id, number).subarray(2)
  return Buffer.concat([single('v'), Buffer.from(chunk, 'hex'), part])
}

export function uploadUseRange(chunk: ChunkId): KeyRange {
  const start = Buffer.concat([single('v'), Buffer.from(chunk, 'hex')])
  return { start, end: behind(start) }
}

/** Of a chunk that is on this node only because it was read here. */
export function fetchedKey(chunk: ChunkId): Buffer {
  return Buffer.concat([single('y'), Buffer.from(chunk, 'hex')])
}

export const readFetchedKey = (key: Buffer): ChunkId => key.toString('hex', 2) as ChunkId
export const FETCHED_ROWS: KeyRange = { start: single('y'), end: single('z') }

/** All of them. */
export const EVENTUAL_ROWS: KeyRange = { start: Buffer.of(ROOT), end: Buffer.of(ROOT + 1) }
/** Entries, those of definitions too. */
export const ENTRY_ROWS: KeyRange = { start: single('e'), end: single('f') }
