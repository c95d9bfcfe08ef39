// Compares what the extents say with the chunk store. Files change meanwhile: before anything is reported, the row that
// uses the chunk must still do so, and the chunk must still be missing.

import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId, InodeId } from '#foundation/ids.ts'
import type { LongSnapshot } from '#kv/store.ts'
import {
  discardedKey,
  type Finding,
  placeOfEntry,
  placeOfInode,
  placeOfVersion,
  tryDecodeRecord,
  VolumeCheck,
} from '#metadata/fsck-check.ts'
import { type ChunkUse, owningRows } from '#metadata/fsck-references.ts'
import type { Survey } from '#metadata/fsck-survey.ts'
import {
  idOfKey,
  kindRange,
  KIND,
  numberOfPartKey,
  offsetOfExtentKey,
  offsetOfPartExtentKey,
  uploadOfKey,
} from '#metadata/keys.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { decodeExtent, decodeLink, EXTENT_BYTES, type Extent } from '#metadata/record.ts'

export type ChunkFault = 'chunk-missing' | 'chunk-short' | 'chunk-corrupt'

/** Looks at once in the store: enough to keep a disk busy. */
const LOOKS_AT_ONCE = 16
/** Whole chunks read at once, of up to 64 MiB each. */
const READS_AT_ONCE = 2

/** Faults are told with the files that they are in, found in one more walk: this many are gathered for one. */
export const FAULTS_PER_WALK = 10_000

export interface ChunkCheckStores {
  readonly chunks: ChunkStore
  readonly metadata: Metadata
}

/** Looks for each chunk, and reads it whole where `verify` is set; yields how many were looked at since. */
export async function* lookForChunks(
  chunks: ChunkStore,
  uses: ReadonlyMap<ChunkId, ChunkUse>,
  { verify, faults }: { verify: boolean; faults: Map<ChunkId, ChunkFault> },
): AsyncGenerator<number> {
  let batch: Promise<void>[] = []
  for (const [chunk, { endBytes }] of uses) {
    if (faults.size >= FAULTS_PER_WALK) break
    batch.push(
      faultOf(chunks, chunk, { endBytes, verify }).then((fault) => {
        if (fault !== undefined) faults.set(chunk, fault)
      }),
    )
    if (batch.length < (verify ? READS_AT_ONCE : LOOKS_AT_ONCE)) continue
    await Promise.all(batch)
    yield batch.length
    batch = []
  }
  await Promise.all(batch)
  yield batch.length
}

async function faultOf(
  chunks: ChunkStore,
  chunk: ChunkId,
  { endBytes, verify }: { endBytes: number; verify: boolean },
): Promise<ChunkFault | undefined> {
  const info = await chunks.locate(chunk)
  if (info === undefined) return 'chunk-missing'
  if (info.sizeBytes < endBytes) return 'chunk-short'
  if (!verify) return undefined
  const state = await chunks.verify(chunk)
  if (state === 'intact') return undefined
  return state === 'missing' ? 'chunk-missing' : 'chunk-corrupt'
}

/** Finds the files that faulty chunks are in. */
export async function* findFaultyFiles(
  { chunks, metadata }: ChunkCheckStores,
  { snapshot, survey, verify }: { snapshot: LongSnapshot; survey: Survey; verify: boolean },
  faults: ReadonlyMap<ChunkId, ChunkFault>,
): AsyncGenerator<Finding | undefined> {
  for (const { prefix, record } of survey.volumes) {
    const check = new VolumeCheck({ snapshot, prefix, record, discarded: survey.discarded, verify: false })
    const places = yield* placeContents(check, faults)
    for (const row of owningRows(snapshot, prefix, survey.discarded)) {
      yield undefined
      for (const extent of row?.extents ?? []) {
        const fault = faults.get(extent.chunk)
        if (fault === undefined || row === undefined) continue
        const where = places.placeOf(row.key)
        if (where === undefined) continue
        if ((await confirm({ chunks, metadata }, { key: row.key, extent, verify })) === undefined) continue
        yield {
          problem: fault,
          where: `${where}, bytes ${extent.offset} to ${extent.offset + extent.length - 1}`,
          detail: detailOf(fault, extent),
        }
      }
    }
  }
}

function detailOf(fault: ChunkFault, { chunk, chunkOffset, length }: Extent): string {
  if (fault === 'chunk-missing') return `chunk ${chunk} is not in the store; restore the file from a copy`
  if (fault === 'chunk-short') return `chunk ${chunk} has less than the ${chunkOffset + length} bytes that the file needs of it`
  return `chunk ${chunk} doesn't match its checksum; restore the file from a copy`
}

/** What is wrong with the chunk, if the row still uses it before and after that is looked at. */
async function confirm(
  { chunks, metadata }: ChunkCheckStores,
  { key, extent, verify }: { key: Buffer; extent: Extent; verify: boolean },
): Promise<ChunkFault | undefined> {
  const { chunk, chunkOffset, length } = extent
  const isUsed = (): Promise<boolean> => metadata.readSystem((snapshot) => usesChunk(key, snapshot.get(key), chunk))
  if (!(await isUsed())) return undefined
  const fault = await faultOf(chunks, chunk, { endBytes: chunkOffset + length, verify })
  return fault !== undefined && (await isUsed()) ? fault : undefined
}

function usesChunk(key: Buffer, value: Buffer | undefined, chunk: ChunkId): boolean {
  if (value === undefined) return false
  const kind = key[8]
  if (kind === KIND.extent || kind === KIND.partExtent)
    return value.length === EXTENT_BYTES && decodeExtent(value, 0).chunk === chunk
  return tryDecodeRecord(value)?.extents.some((extent) => extent.chunk === chunk) === true
}

interface Places {
  /** `undefined` for contents that no file has any more. */
  placeOf(key: Buffer): string | undefined
}

/** Learns which file has which contents, as far as they have faults, and one name of each file of several. */
async function* placeContents(
  check: VolumeCheck,
  faults: ReadonlyMap<ChunkId, ChunkFault>,
): AsyncGenerator<undefined, Places, undefined> {
  const { snapshot, prefix } = check
  const faulty = new Set<number>()
  for (const { key, value } of snapshot.range(kindRange(prefix, KIND.extent))) {
    yield undefined
    if (value.length === EXTENT_BYTES && faults.has(decodeExtent(value, offsetOfExtentKey(key)).chunk)) faulty.add(idOfKey(key))
  }
  const owners = new Map<number, Buffer>()
  for (const kind of [KIND.inode, KIND.entry, KIND.version]) {
    for (const { key, value } of snapshot.range(kindRange(prefix, kind))) {
      yield undefined
      const link = decodeLink(value)
      if (link !== undefined && !check.names.has(link)) check.names.set(link, { count: 1, entry: key })
      const record = link === undefined ? tryDecodeRecord(value) : undefined
      if (record?.form === 'table' && faulty.has(record.content)) owners.set(record.content, key)
    }
  }
  const placeOfSlot = (slot: Buffer): string =>
    slot[8] === KIND.version
      ? placeOfVersion(check, slot)
      : slot[8] === KIND.entry
        ? placeOfEntry(check, slot)
        : placeOfInode(check, idOfKey(slot) as InodeId)
  return {
    placeOf(key) {
      if (key[8] === KIND.partExtent && check.discarded.rows.has(discardedKey(prefix, key.subarray(9, 25)))) return undefined
      if (key[8] === KIND.partExtent)
        return `${check.record.name}: upload ${uploadOfKey(key)}, part ${numberOfPartKey(key)} (from ${offsetOfPartExtentKey(key)})`
      if (key[8] !== KIND.extent) return placeOfSlot(key)
      const owner = owners.get(idOfKey(key))
      return owner === undefined ? undefined : placeOfSlot(owner)
    },
  }
}
