import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { planLayouts } from './plan-layouts.ts'
import type { StoreNode } from './plan-layouts.ts'
import type { SystemRecords } from './system-records.ts'

/** What membership has to say of a node that keeps chunks. */
export interface StoreMember extends StoreNode {
  /** False for one that died or was stopped. */
  readonly isHere: boolean
}

export interface LayoutKeeperOptions {
  readonly records: SystemRecords
  /** The nodes whose role is to keep chunks, this one included. */
  readonly members: () => readonly StoreMember[]
  /** Whether the id is nobody's any more. */
  readonly isRemoved: (id: NodeId) => boolean
  readonly clock: Clock
  readonly log: Log
  /** How long a node that is absent keeps its place: 5 minutes, what a restart of a machine takes, unless given. Others stand in for it
   *  meanwhile; a new layout moves more than that. */
  readonly graceMs?: number
  /** How often it looks, a second unless given. Nodes that come together are in one change then. */
  readonly intervalMs?: number
  /** Other than that of `computeLayout`: for simulations, which have few chunks. */
  readonly partitionBits?: number
}

/** Keeps the layouts in accord with the nodes that are there and what was decided about them. For one node at a time: the one that
 *  leads the cluster's records. A successor begins to wait for absent nodes anew. */
export class LayoutKeeper {
  readonly #options: LayoutKeeperOptions & Required<Pick<LayoutKeeperOptions, 'graceMs' | 'intervalMs'>>
  #stop = new AbortController()
  /** Since when a node has been absent, on the monotonic clock. */
  readonly #absentSinceMs = new Map<NodeId, number>()
  #running: Promise<void> = Promise.resolve()

  constructor(options: LayoutKeeperOptions) {
    this.#options = { graceMs: 5 * 60_000, intervalMs: 1_000, ...options }
  }

  /** Also after it was stopped. */
  start(): void {
    this.#stop = new AbortController()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Looks now, and writes what has to change. */
  async look(): Promise<void> {
    const { records, log, partitionBits } = this.#options
    const seen = records.view
    const edit = planLayouts(seen, this.#present(), partitionBits === undefined ? {} : { partitionBits })
    if (edit === undefined) return
    // Planning takes a while with hundreds of nodes; who has changed something meanwhile is heeded the next time.
    const { version, layouts } = await records.change((view) => (view.version === seen.version ? edit : undefined))
    if (version === seen.version) return
    for (const name of edit.layouts?.keys() ?? []) {
      const next = layouts.get(name)?.next
      if (next !== undefined) log.info('a new layout', { layout: name, version: next.version, nodes: next.nodes.length })
    }
  }

  async #run(): Promise<void> {
    const { clock, intervalMs, log } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.look()
        await clock.sleep(intervalMs, signal)
      } catch (error) {
        if (isShoalError(error, 'CANCELLED')) return
        log.warn('the layouts could not be brought up to date, it is tried again', { error })
        await clock.sleep(intervalMs, signal).catch(() => undefined)
      }
    }
  }

  /** Those that are there, and those that keep their place for now. */
  #present(): StoreNode[] {
    const { records, members, isRemoved, clock, graceMs } = this.#options
    const nowMs = clock.monotonicMs()
    const placed = new Map<NodeId, StoreNode>()
    for (const { next } of records.view.layouts.values()) for (const node of next.nodes) placed.set(node.id, node)
    const present: StoreNode[] = []
    const absent = new Set<NodeId>()
    const keep = (node: StoreNode): void => {
      if (isRemoved(node.id)) return
      absent.add(node.id)
      const sinceMs = this.#absentSinceMs.get(node.id) ?? nowMs
      this.#absentSinceMs.set(node.id, sinceMs)
      // Who has no place yet gets none while it is absent.
      if (placed.has(node.id) && nowMs - sinceMs < graceMs) present.push(node)
    }
    const known = new Set<NodeId>()
    for (const { isHere, id, zone, capacityBytes } of members()) {
      known.add(id)
      const node = { id, zone, capacityBytes }
      if (isHere) present.push(node)
      else keep(node)
    }
    // Nobody has heard of it since this node began to listen.
    for (const { id, zone, capacityBytes } of placed.values()) {
      if (!known.has(id)) keep({ id, zone, capacityBytes })
    }
    for (const id of this.#absentSinceMs.keys()) if (!absent.has(id)) this.#absentSinceMs.delete(id)
    return present
  }
}
