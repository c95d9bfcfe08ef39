import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkCluster } from '#node/chunk-cluster.ts'
import { replacing } from './defects.ts'

/** Classes whose chunks are acknowledged once this node has them, whatever the class says; the other copies come later. */
export function hastyClasses(classes: ChunkCluster['classes'], here: ChunkStore): ChunkCluster['classes'] {
  return replacing(classes, {
    chunksOf: (name) => {
      const chunks = classes.chunksOf(name)
      return replacing(chunks, {
        write: async (id, bytes) => {
          void chunks.write(id, Buffer.from(bytes)).catch(() => {})
          await here.write(id, bytes)
        },
      })
    },
  })
}
