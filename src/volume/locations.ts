import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import { extentsIn } from '#metadata/contents.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { resolvePath } from '#metadata/resolve.ts'
import type { ChunkLocation, CopyState, Locations } from './volume.ts'

/** A chunk store that knows where the copies of a chunk are, if there is more than this node's. */
export interface ClassChunks extends ChunkStore {
  copies?(id: ChunkId): Promise<ChunkPlaces>
}

/** Where one chunk is: docs/glossary.md has the states. */
export interface ChunkPlaces {
  /** `undefined` if there is no copy. */
  readonly state: Exclude<CopyState, 'missing'> | undefined
  readonly copies: readonly { readonly node: string; readonly state: CopyState }[]
}

export interface LocationStores {
  readonly metadata: Metadata
  readonly chunks: ClassChunks
  readonly nodeId: string
}

/** Where each range of a file is, as of one moment. */
export async function locateContents(stores: LocationStores, volume: VolumeHandle, path: Path): Promise<Locations | undefined> {
  const found = await stores.metadata.read(volume, (view) => {
    const located = resolvePath(view, path, { follow: true, prefer: 'file' })
    if (located === undefined) return undefined
    const { record } = located
    return { record, extents: [...extentsIn(view, record, { start: 0, end: record.sizeBytes })] }
  })
  if (found === undefined) return undefined
  const { record } = found
  const nodes = [stores.nodeId]
  if (record.form === 'inline') {
    return {
      attributes: record,
      extents: [{ offset: 0, length: record.sizeBytes, chunk: undefined, kind: 'inline', nodes, copies: [], state: 'stored' }],
    }
  }
  const extents: ChunkLocation[] = []
  let at = 0
  for (const { offset, length, chunk } of found.extents) {
    if (offset > at) extents.push(hole(at, offset))
    const { state = 'missing', copies } = await placesOf(stores, chunk)
    const holding = copies.filter((copy) => copy.state !== 'replication-in' && copy.state !== 'corrupt').map(({ node }) => node)
    extents.push({ offset, length, chunk, kind: 'chunk', nodes: holding, copies, state })
    at = offset + length
  }
  if (at < record.sizeBytes) extents.push(hole(at, record.sizeBytes))
  return { attributes: record, extents }
}

async function placesOf({ chunks, nodeId }: LocationStores, chunk: ChunkId): Promise<ChunkPlaces> {
  if (chunks.copies !== undefined) return chunks.copies(chunk)
  const found = await chunks.locate(chunk)
  if (found === undefined) return { state: undefined, copies: [] }
  const state = found.isDamaged === true ? 'corrupt' : 'stored'
  return { state, copies: [{ node: nodeId, state }] }
}

function hole(start: number, end: number): ChunkLocation {
  return { offset: start, length: end - start, chunk: undefined, kind: 'hole', nodes: [], copies: [], state: 'stored' }
}
