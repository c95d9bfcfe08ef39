import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Digests } from '#platform/digests.ts'
import { Alarms } from './alarms.ts'
import { asShoalError } from './as-shoal-error.ts'
import type { CopySearch } from './copy-search.ts'
import { isIntact } from './holder.ts'
import { limitedCall } from './limited-call.ts'
import type { ChunkPeers } from './peers.ts'
import { planRepairs } from './plan-repairs.ts'

export interface ChunkRepairerOptions {
  readonly peers: ChunkPeers
  readonly search: CopySearch
  readonly clock: Clock
  readonly digests: Pick<Digests, 'sha256'>
  readonly log: Log
  /** How long reading or writing one copy may take. */
  readonly copyMs: number
}

export interface RepairOutcome {
  /** `stored`: every holder has an intact copy. `incomplete`: some could not be asked or written to. `lost`: no copy was found. */
  readonly result: 'stored' | 'incomplete' | 'lost'
  /** Who has got a copy. */
  readonly repaired: readonly NodeId[]
  /** Intact copies that there are now. */
  readonly copies: number
}

/** Brings the copies of one chunk to where they belong. */
export class ChunkRepairer {
  readonly #options: ChunkRepairerOptions
  readonly #alarms: Alarms

  constructor(options: ChunkRepairerOptions) {
    this.#options = options
    this.#alarms = new Alarms(options.clock)
  }

  /** Reads each copy whole, and writes one wherever a holder has none that is intact. Can be cut off anywhere, and repeated. */
  async repair(chunk: ChunkId): Promise<RepairOutcome> {
    const { intact, sources, targets, unknown, isLost, isUnsure } = planRepairs(await this.#options.search.healthAt(chunk))
    if (isLost) return { result: isUnsure ? 'incomplete' : 'lost', repaired: [], copies: 0 }
    if (targets.length === 0) return { result: unknown.length > 0 ? 'incomplete' : 'stored', repaired: [], copies: intact }
    const bytes = await this.#readAny(chunk, sources)
    const repaired = bytes === undefined ? [] : await this.#writeAll(chunk, bytes, targets)
    this.#options.log.info('repaired a chunk', { chunk, repaired, lacking: targets.length - repaired.length })
    const isComplete = repaired.length === targets.length && unknown.length === 0
    return { result: isComplete ? 'stored' : 'incomplete', repaired, copies: intact + repaired.length }
  }

  async #readAny(chunk: ChunkId, sources: readonly NodeId[]): Promise<Buffer | undefined> {
    const { peers, copyMs, digests, log } = this.#options
    for (const node of sources) {
      try {
        const bytes = await limitedCall({ alarms: this.#alarms, limitMs: copyMs }, (signal) =>
          peers.store(node).read(chunk, { range: undefined, signal }),
        )
        if (await isIntact(digests, chunk, bytes)) return bytes
        throw new ShoalError('CORRUPT', `Node ${node} has sent other bytes than those of chunk ${chunk}`)
      } catch (error) {
        log.warn('cannot read the copy to repair from', { chunk, node, code: asShoalError(error).code })
      }
    }
    return undefined
  }

  async #writeAll(chunk: ChunkId, bytes: Buffer, targets: readonly NodeId[]): Promise<NodeId[]> {
    const { peers, copyMs, log } = this.#options
    const done = await Promise.all(
      targets.map(async (node): Promise<NodeId | undefined> => {
        try {
          await limitedCall({ alarms: this.#alarms, limitMs: copyMs }, async (signal) => {
            for await (const { error } of peers.store(node).write(chunk, bytes, { forward: [], signal }))
              if (error !== undefined) throw error
          })
          return node
        } catch (error) {
          log.warn('cannot write the copy that is lacking', { chunk, node, code: asShoalError(error).code })
          return undefined
        }
      }),
    )
    return done.filter((node) => node !== undefined)
  }
}
