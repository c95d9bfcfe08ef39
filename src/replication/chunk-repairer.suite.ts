import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { Alarms } from './alarms.ts'
import type { CopySearch } from './copy-search.ts'
import { isIntact } from './holder.ts'
import { limitedCall } from './limited-call.ts'
import type { ChunkPeers } from './peers.ts'

export interface ChunkRepairerOptions {
  readonly peers: ChunkPeers
  readonly search: CopySearch
  readonly clock: Clock
  readonly digests: Pick<Digests, 'sha256'>
  /** How long reading or writing one copy may take. */
  readonly copyMs: number
}

/** Carries out what waits in a repair queue, as a tracker does in a cluster: for tests of what writes and reads put there. */
export class ChunkRepairer {
  readonly #options: ChunkRepairerOptions
  readonly #alarms: Alarms

  constructor(options: ChunkRepairerOptions) {
    this.#options = options
    this.#alarms = new Alarms(options.clock)
  }

  /** Gives each holder that lacks it an intact copy. @returns who has got one */
  async repair(chunk: ChunkId): Promise<readonly NodeId[]> {
    const { holders, found } = await this.#options.search.healthAt(chunk)
    const sources = [...found].flatMap(([node, health]) => (health === 'intact' ? [node] : []))
    const lacking = holders.filter((node) => found.has(node) && !sources.includes(node))
    const bytes = lacking.length === 0 ? undefined : await this.#readAny(chunk, sources)
    if (bytes === undefined) return []
    const repaired = await Promise.all(lacking.map((node) => this.#write(chunk, bytes, node)))
    return repaired.filter((node) => node !== undefined)
  }

  async #readAny(chunk: ChunkId, sources: readonly NodeId[]): Promise<Buffer | undefined> {
    const { peers, copyMs, digests } = this.#options
    for (const node of sources) {
      const bytes = await limitedCall({ alarms: this.#alarms, limitMs: copyMs }, (signal) => {
        return peers.store(node).read(chunk, { range: undefined, signal })
      }).catch(() => undefined)
      if (bytes !== undefined && (await isIntact(digests, chunk, bytes))) return bytes
    }
    return undefined
  }

  async #write(chunk: ChunkId, bytes: Buffer, node: NodeId): Promise<NodeId | undefined> {
    const { peers, copyMs } = this.#options
    return limitedCall({ alarms: this.#alarms, limitMs: copyMs }, async (signal) => {
      for await (const { error } of peers.store(node).write(chunk, bytes, { forward: [], signal }))
        if (error !== undefined) throw error
      return node
    }).catch(() => undefined)
  }
}
