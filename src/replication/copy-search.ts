import type { ChunkInfo } from '#chunk/store.ts'
import type { ShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'
import type { Clock } from '#platform/clock.ts'
import { Alarms } from './alarms.ts'
import { asShoalError } from './as-shoal-error.ts'
import { STAND_INS_MAX, settledHolders } from './copy-targets.ts'
import { limitedCall } from './limited-call.ts'
import type { ChunkPeers } from './peers.ts'

/** Before a chunk is called missing so many nodes are asked that shouldn't have it, so many at a time. */
const STRANGERS_MAX = 64
const STRANGERS_AT_ONCE = 8

export interface CopySearchOptions {
  readonly peers: ChunkPeers
  readonly layouts: () => LayoutPair
  readonly clock: Clock
  /** How long a node has for an answer. */
  readonly callMs: number
}

/** What is known about the copies of one chunk. */
export interface CopySurvey {
  /** The nodes that shall have a copy. */
  readonly holders: readonly NodeId[]
  /** What the nodes that answered have. */
  readonly found: ReadonlyMap<NodeId, 'intact' | 'corrupt' | 'missing'>
  /** Nodes that could not be asked, holders and those that may stand in for them: they may have a copy or not. */
  readonly silent: readonly NodeId[]
}

/** What one node answered, or why it didn't. */
export type NodeAnswer<T> = { readonly node: NodeId } & (
  | { readonly value: T; readonly error: undefined }
  | { readonly error: ShoalError }
)

export interface Strangers {
  readonly found: readonly { readonly node: NodeId; readonly info: ChunkInfo }[]
  readonly silent: readonly NodeId[]
}

/** Asks nodes what they have. */
export class CopySearch {
  readonly #options: CopySearchOptions
  readonly #alarms: Alarms

  constructor(options: CopySearchOptions) {
    this.#options = options
    this.#alarms = new Alarms(options.clock)
  }

  /** The nodes that may hold the chunk, this one first. */
  readers(id: ChunkId): readonly NodeId[] {
    const { self } = this.#options.peers
    const readers = this.#options.layouts().readers(id)
    return readers.includes(self) ? [self, ...readers.filter((node) => node !== self)] : readers
  }

  /** Asks all of them at once. A failure is an answer too. */
  ask<T>(nodes: readonly NodeId[], question: (node: NodeId, signal: AbortSignal) => Promise<T>): Promise<NodeAnswer<T>[]> {
    const { callMs } = this.#options
    return Promise.all(
      nodes.map(async (node): Promise<NodeAnswer<T>> => {
        try {
          return {
            node,
            value: await limitedCall({ alarms: this.#alarms, limitMs: callMs }, (signal) => question(node, signal)),
            error: undefined,
          }
        } catch (error) {
          return { node, error: asShoalError(error) }
        }
      }),
    )
  }

  locateAt(id: ChunkId, nodes: readonly NodeId[]): Promise<NodeAnswer<ChunkInfo | undefined>[]> {
    return this.ask(nodes, (node, signal) => this.#options.peers.store(node).locate(id, signal))
  }

  /** Nodes that have the chunk though they are no holders: those that stand in and those that no layout has first, then others, a bounded
   *  number. Where none is found, also which of the former could not be asked. */
  async strangers(id: ChunkId): Promise<Strangers> {
    const { peers, layouts } = this.#options
    const pair = layouts()
    const readers = pair.readers(id)
    const likely = new Set([peers.self, ...pair.next.candidates(id).slice(0, STAND_INS_MAX), ...this.#outsiders(pair)])
    const former = pair.previous?.nodes.map((node) => node.id) ?? []
    const others = new Set([...likely, ...pair.next.candidates(id), ...former].filter((node) => !readers.includes(node)))
    const asked = [...others].slice(0, STRANGERS_MAX)
    const silent: NodeId[] = []
    for (let at = 0; at < asked.length; at += STRANGERS_AT_ONCE) {
      const answers = await this.locateAt(id, asked.slice(at, at + STRANGERS_AT_ONCE))
      const found = answers.flatMap((answer) => {
        return answer.error === undefined && answer.value !== undefined ? [{ node: answer.node, info: answer.value }] : []
      })
      if (found.length > 0) return { found, silent: [] }
      silent.push(...answers.filter(({ error }) => error !== undefined).map(({ node }) => node))
    }
    return { found: [], silent: silent.filter((node) => likely.has(node)) }
  }

  /** Reads whole every copy that a holder, a node that stands in for one, or one that no layout has may have. */
  async healthAt(id: ChunkId): Promise<CopySurvey> {
    const { peers, layouts } = this.#options
    const pair = layouts()
    const standIns = pair.next.candidates(id).slice(0, STAND_INS_MAX)
    const nodes = new Set([...pair.readers(id), ...standIns, ...this.#outsiders(pair)])
    const answers = await this.ask([...nodes], (node, signal) => peers.store(node).verify(id, signal))
    const found = new Map<NodeId, 'intact' | 'corrupt' | 'missing'>()
    for (const answer of answers) if (answer.error === undefined) found.set(answer.node, answer.value)
    const silent = answers.filter(({ error }) => error !== undefined).map(({ node }) => node)
    const intact = new Set([...found].filter(([, health]) => health === 'intact').map(([node]) => node))
    return { holders: settledHolders(id, { pair, peers, durable: intact }), found, silent }
  }

  /** Nodes that are still members, and of no layout any more: what they have was copied before, unless they went away meanwhile. */
  #outsiders(pair: LayoutPair): NodeId[] {
    return this.#options.peers.members().filter((node) => pair.next.zoneOf(node) === undefined)
  }
}
