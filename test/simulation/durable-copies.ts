import type { ChunkStore } from '#chunk/store.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { ChunkCluster } from '#node/chunk-cluster.ts'
import { copiesToAcknowledge } from '#placement/class-policy.ts'
import { classOf } from '#system/system-view.ts'
import { replacing } from './defects.ts'

/** Which disks have been told to keep which chunks, and have said that they do: at each acknowledgement as many as the class asks for. */
export class DurableCopies {
  /** Acknowledgements that came too early. */
  readonly problems: string[] = []
  readonly #hosts = new Map<ChunkId, Set<string>>()

  /** The chunks of one node, next to its disk. */
  watchStore(host: string, store: ChunkStore): ChunkStore {
    return replacing<ChunkStore>(store, {
      write: async (id, bytes) => {
        await store.write(id, bytes)
        const hosts = this.#hosts.get(id) ?? new Set()
        this.#hosts.set(id, hosts.add(host))
      },
      forget: async (id, options) => {
        const isForgotten = await store.forget(id, options)
        if (isForgotten) this.#hosts.get(id)?.delete(host)
        return isForgotten
      },
    })
  }

  /** What a node takes for its cluster. */
  watchClasses({ classes, records }: Pick<ChunkCluster, 'classes' | 'records'>): ChunkCluster['classes'] {
    const needed = (name: string): number => copiesToAcknowledge(classOf(records.view, name))
    return replacing(classes, {
      chunksOf: (name) => {
        const chunks = classes.chunksOf(name)
        return replacing(chunks, {
          write: async (id, bytes) => {
            const before = needed(name)
            await chunks.write(id, bytes)
            // A class that is changed meanwhile may have been either.
            this.#compare(id, Math.min(before, needed(name)))
          },
        })
      },
    })
  }

  #compare(id: ChunkId, needed: number): void {
    const hosts = [...(this.#hosts.get(id) ?? [])]
    if (hosts.length >= needed) return
    this.problems.push(`${id} is acknowledged with ${hosts.length} durable copies of ${needed}: ${hosts.join(', ') || 'none'}`)
  }
}
