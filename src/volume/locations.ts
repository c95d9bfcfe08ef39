import type { ChunkStore } from '#chunk/store.ts'
import type { Path } from '#foundation/path.ts'
import { extentsIn } from '#metadata/contents.ts'
import type { Metadata, VolumeHandle } from '#metadata/metadata.ts'
import { resolvePath } from '#metadata/resolve.ts'
import type { ChunkLocation, Locations } from './volume.ts'

export interface LocationStores {
  readonly metadata: Metadata
  readonly chunks: ChunkStore
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
      extents: [{ offset: 0, length: record.sizeBytes, chunk: undefined, kind: 'inline', nodes, state: 'stored' }],
    }
  }
  const extents: ChunkLocation[] = []
  let at = 0
  for (const { offset, length, chunk } of found.extents) {
    if (offset > at) extents.push(hole(at, offset))
    const isHere = (await stores.chunks.locate(chunk)) !== undefined
    extents.push({ offset, length, chunk, kind: 'chunk', nodes: isHere ? nodes : [], state: isHere ? 'stored' : 'missing' })
    at = offset + length
  }
  if (at < record.sizeBytes) extents.push(hole(at, record.sizeBytes))
  return { attributes: record, extents }
}

function hole(start: number, end: number): ChunkLocation {
  return { offset: start, length: end - start, chunk: undefined, kind: 'hole', nodes: [], state: 'stored' }
}
